"""The report page: figures, gallery, HTML."""
