"""The errors a user can cause. The door prints each on one line and exits with code 2."""


class UserError(Exception):
    """Something the user can mend; the message says what is wrong and what to do."""
