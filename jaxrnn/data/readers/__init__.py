"""From files to raw records: one file per family of formats, each with `read(path, roles)`."""
