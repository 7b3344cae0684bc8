"""A trading bot and the official SDK, both signing through hyperkms against the sandbox.

Read in this order: `bot` (a wallet, orders, the exchange), `sdk_steps` (the SDK at work, through
`hyperkms.client.hyperliquid_sdk`), `__main__` (all of it, started and stopped). The MPC half: `two_wallets` (which one
signs what), `mpc_half` (with cosigners that are killed). `typescript/` is a bot of its own.
"""
