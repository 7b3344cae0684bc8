"""A trading bot and the official SDK, both signing through hyperkms against the sandbox.

Read in this order: `bot` (a wallet, orders, the exchange), `official_sdk` (the SDK made to send actions instead
of hashes), `sdk_steps` (the SDK at work), `__main__` (all of it, started and stopped).
"""
