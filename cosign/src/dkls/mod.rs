//! secp256k1: DKLs23 by `dkls23-secp256k1`.
use crate::protocol::*;
use std::collections::BTreeSet;
pub fn open(_b: &[u8], _g: &GroupKey, _m: Index) -> Result<(), Fault> {
    Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
}
pub fn is_hollow(_b: &[u8]) -> Result<bool, Fault> {
    Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
}
pub mod keygen {
    use super::*;
    pub fn start(_s: Seat) -> Result<(Outbox, Running<KeyShare>), Fault> {
        Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
    }
}
pub mod refresh {
    use super::*;
    pub fn start(_s: Seat, _b: &[u8], _g: &GroupKey) -> Result<(Outbox, Running<KeyShare>), Fault> {
        Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
    }
}
pub mod repair {
    use super::*;
    pub fn helper(_s: Seat, _t: Index, _b: &[u8], _g: &GroupKey) -> Result<(Outbox, Running<Option<KeyShare>>), Fault> {
        Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
    }
    pub fn target(_s: Seat, _g: &GroupKey) -> Result<(Outbox, Running<Option<KeyShare>>), Fault> {
        Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
    }
}
pub mod signing {
    use super::*;
    pub fn start(
        _s: Seat,
        _b: &[u8],
        _g: &GroupKey,
        _d: [u8; 32],
        _x: &BTreeSet<Index>,
    ) -> Result<(Outbox, Running<GroupSignature>), Fault> {
        Err(Fault::nobodys("not-built", "threshold ECDSA is not built in yet"))
    }
}
