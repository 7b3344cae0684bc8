"""A stand-in for the Hyperliquid exchange, for tests and the demo. It never trades and holds no key.

It is a second, independent implementation of the exchange's view: it shares no digest, number or parsing code
with the signer, so that an error in one shows against the other. It needs the optional extra `sandbox`
(coincurve, msgpack, pycryptodome).

Read in this order: `exchange` (the checks, numbered), `parsing`, `actions` and `user_actions` (what a post means and
its hashed form), `digest` and `signature` (who signed it), `accounts` and `agents` (for whom), `nonces`, `placing` and
`applying` (what it does), `info` (what can be asked). Those do no I/O and take the clock as an argument;
`app` and `server` are the thin HTTP face.
"""
