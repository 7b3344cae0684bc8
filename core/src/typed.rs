//! User-signed actions: EIP-712 typed data whose types this file knows one by one.
//!
//! The domain is {HyperliquidSignTransaction, 1, the signature's chain, zero address}; the first member of every type
//! is `string hyperliquidChain`, which the core fills in from the network. So no caller can have typed data of another
//! kind signed, nor of another network.

use crate::digest::{domain_separator, keccak256, typed_data, Digest, Network};
use crate::error::{Error, Result};
use crate::hex::decode_either_case;

/// Each type: its name after `HyperliquidTransaction:`, and its members after `string hyperliquidChain`.
///
/// Source: the table of user-signed actions in docs/formats.md.
const TYPES: &[(&str, &str)] = &[
    ("UsdSend", "string destination,string amount,uint64 time"),
    ("Withdraw", "string destination,string amount,uint64 time"),
    ("SpotSend", "string destination,string token,string amount,uint64 time"),
    ("UsdClassTransfer", "string amount,bool toPerp,uint64 nonce"),
    (
        "SendAsset",
        "string destination,string sourceDex,string destinationDex,string token,string amount,string fromSubAccount,\
         uint64 nonce",
    ),
    ("ApproveAgent", "address agentAddress,string agentName,uint64 nonce"),
    ("ApproveBuilderFee", "string maxFeeRate,address builder,uint64 nonce"),
    ("TokenDelegate", "address validator,uint64 wei,bool isUndelegate,uint64 nonce"),
    ("CDeposit", "uint64 wei,uint64 nonce"),
    ("CWithdraw", "uint64 wei,uint64 nonce"),
    ("ConvertToMultiSigUser", "string signers,uint64 nonce"),
    ("UserDexAbstraction", "address user,bool enabled,uint64 nonce"),
    ("UserPortfolioMargin", "address user,bool enabled,uint64 nonce"),
    ("UserSetAbstraction", "address user,string abstraction,uint64 nonce"),
    ("LinkStakingUser", "address user,bool isFinalize,uint64 nonce"),
    ("StakingLinkDisableTradingUser", "address tradingUser,uint64 nonce"),
    (
        "SendToEvmWithData",
        "string token,string amount,string sourceDex,string destinationRecipient,string addressEncoding,\
         uint32 destinationChainId,uint64 gasLimit,bytes data,uint64 nonce",
    ),
];

/// The value of a member as JSON has it; addresses and bytes are 0x and hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Flag(bool),
    Integer(u64),
    Text(&'a str),
}

/// The digest of a user-signed action, as `sign_user_signed_action` of the official Python SDK makes it.
///
/// `values` are those of the type's members, in order, without hyperliquidChain. Malformed for a type that is not in
/// the table, and for values that do not fit it.
pub fn user_action(primary_type: &str, values: &[Value<'_>], chain_id: u64, network: Network) -> Result<Digest> {
    let known = TYPES.iter().find(|(name, _)| *name == primary_type);
    let (name, members) = known.ok_or_else(|| misfit("is no type of a user-signed action"))?;
    let encoded_type = format!("HyperliquidTransaction:{name}(string hyperliquidChain,{members})");
    let mut encoded = Vec::with_capacity(32 * (values.len() + 2));
    encoded.extend_from_slice(&keccak256(encoded_type.as_bytes()));
    encoded.extend_from_slice(&keccak256(chain_name(network)));
    let mut kinds = members.split(',').map(|member| member.split(' ').next().unwrap_or_default());
    for value in values {
        let kind = kinds.next().ok_or_else(|| misfit("has fewer members"))?;
        encoded.extend_from_slice(&encode(kind, *value)?);
    }
    if kinds.next().is_some() {
        return Err(misfit("has more members"));
    }
    let domain = domain_separator(b"HyperliquidSignTransaction", b"1", chain_id);
    Ok(typed_data(&domain, &keccak256(&encoded)))
}

fn chain_name(network: Network) -> &'static [u8] {
    match network {
        Network::Mainnet => b"Mainnet",
        Network::Testnet => b"Testnet",
    }
}

/// EIP-712 encodeData of one member.
fn encode(kind: &str, value: Value<'_>) -> Result<[u8; 32]> {
    match (kind, value) {
        ("string", Value::Text(text)) => Ok(keccak256(text.as_bytes())),
        ("bytes", Value::Text(text)) => Ok(keccak256(&unhex(text)?)),
        ("bool", Value::Flag(flag)) => Ok(word(&[u8::from(flag)])),
        ("uint64", Value::Integer(number)) => Ok(word(&number.to_be_bytes())),
        ("uint32", Value::Integer(number)) if u32::try_from(number).is_ok() => Ok(word(&number.to_be_bytes())),
        ("address", Value::Text(text)) => {
            let bytes = unhex(text)?;
            if bytes.len() == 20 {
                Ok(word(&bytes))
            } else {
                Err(misfit("has an address of another length"))
            }
        }
        _ => Err(misfit("has a member of another type")),
    }
}

/// The bytes at the right end of 32, the rest zero; at most 32 of them.
fn word(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
    word
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits = text.strip_prefix("0x").map(str::as_bytes).ok_or_else(|| misfit("has hex digits without 0x"))?;
    if digits.len() % 2 != 0 {
        return Err(misfit("has an odd number of hex digits"));
    }
    let mut bytes = vec![0; digits.len() / 2];
    decode_either_case(digits, &mut bytes).ok_or_else(|| misfit("has something else where hex digits are due"))?;
    Ok(bytes)
}

fn misfit(words: &str) -> Error {
    Error::malformed("malformed-action", format!("the user-signed action {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::hex;
    use crate::testing::vectors;
    use serde_json::Value as Json;

    fn values<'a>(message: &'a Json, fields: &'a [Json]) -> Vec<Value<'a>> {
        let of = |field: &'a Json| match &message[field["name"].as_str().unwrap()] {
            Json::Bool(flag) => Value::Flag(*flag),
            Json::Number(number) => Value::Integer(number.as_u64().unwrap()),
            other => Value::Text(other.as_str().unwrap()),
        };
        fields[1..].iter().map(of).collect()
    }

    #[test]
    fn published_typed_data_has_the_published_digest() {
        let Some(file) = vectors("hyperliquid_signing.json") else { return };
        let mut seen = 0;
        for case in file.as_array().unwrap() {
            let Some(primary) = case["primaryType"].as_str() else { continue };
            let name = primary.strip_prefix("HyperliquidTransaction:").unwrap();
            let fields = case["types"][primary].as_array().unwrap();
            if !TYPES.iter().any(|(known, _)| *known == name) || fields[1]["name"] == "payloadMultiSigUser" {
                continue;
            }
            let network = if case["isMainnet"] == true { Network::Mainnet } else { Network::Testnet };
            let digest = user_action(name, &values(&case["message"], fields), 0x66eee, network).unwrap();
            assert_eq!(format!("0x{}", hex(&digest.0)), case["typedDataHash"].as_str().unwrap(), "{}", case["name"]);
            seen += 1;
        }
        assert_eq!(seen, 21);
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        let address = Value::Text("0x1719884eb866cb12b2287399b15f7db5e7d775ea");
        let good = [address, Value::Text(""), Value::Integer(1)];
        let digest = |name: &str, values: &[Value<'_>]| user_action(name, values, 1, Network::Testnet);
        assert!(digest("ApproveAgent", &good).is_ok());
        assert!(digest("Approve", &good).is_err());
        assert!(digest("ApproveAgent", &good[..2]).is_err());
        assert!(digest("ApproveAgent", &[&good[..], &good[..1]].concat()).is_err());
        for wrong in
            [Value::Flag(true), Value::Integer(1), Value::Text("0x17"), Value::Text("1719"), Value::Text("0xzz")]
        {
            assert!(digest("ApproveAgent", &[wrong, good[1], good[2]]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_two_networks_and_two_chains_have_four_digests() {
        let values = [Value::Integer(1), Value::Integer(2)];
        let mut digests: Vec<_> =
            [(1, Network::Mainnet), (1, Network::Testnet), (2, Network::Mainnet), (2, Network::Testnet)]
                .into_iter()
                .map(|(chain, network)| user_action("CDeposit", &values, chain, network).unwrap().0)
                .collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 4);
    }
}
