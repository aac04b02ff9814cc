"""Schedulers by short name: what each can do, its flags, its noise levels, its known defects."""
