"""What several tests share: the command line, made-up runs and pipelines, slow references."""
