//! Ed25519: FROST (RFC 9591) by `frost-ed25519`.
