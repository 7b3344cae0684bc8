//! secp256k1: DKLs23 by `dkls23-secp256k1`.
