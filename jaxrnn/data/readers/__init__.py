"""From files to records: one file per family of formats, each with `read(path, roles)`."""
