"""Backup: all rows as of one moment and all files, as one stream that can be verified and restored.

A backup is a tar archive, encrypted with age where a recipient is given:

    header.json           what it is a backup of: version, migrations, tables and their columns
    tables/NAME/00001     a table's rows in PostgreSQL's text format, in parts of whole rows
    files/NAME            a file of the storage, such as an original or a regressor
    manifest.json         SHA-256 of every member before it, rows of every table, the ledger's latest blocks

The manifest comes last: an archive without one was cut short.
"""
