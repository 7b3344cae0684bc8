"""A trading bot and the official SDK, both signing through hyperkms against the sandbox.

Read in this order: `bot` (a wallet, orders, the exchange), `sdk_steps` (the SDK at work, through
`hyperkms.client.hyperliquid_sdk`), `__main__` (all of it, started and stopped). `typescript/` is a bot of its own.
"""
