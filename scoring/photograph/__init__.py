"""From the bytes of a file to faces, patches, quality and fingerprints. [core]"""
