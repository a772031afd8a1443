"""OpenID Connect sign-in, with the checks that django-allauth leaves out.

`issuer.py` asks the provider (addresses, keys, tokens), `id_tokens.py` believes nothing it says without proof,
`provider.py` is where allauth is told to use both. Who may come in is decided in `labeler.accounts.people`, never here.
"""
