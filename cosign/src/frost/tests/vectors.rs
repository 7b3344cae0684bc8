//! Published vectors, driven through our own functions with the vectors' randomness.

use std::collections::{BTreeMap, BTreeSet};

use frost_ed25519::keys::{SigningShare, VerifyingShare};
use frost_ed25519::rand_core::{impls, CryptoRng, Error, RngCore};
use hyperkms_core::hex::{decode, hex};
use hyperkms_core::single::KeyType;
use serde_json::Value;

use super::parameters;
use crate::frost::keygen::start_with;
use crate::frost::signing::{aggregate, open, prepare_with, sign_share};
use crate::protocol::{GroupKey, Inbox, Index, Seat, Secret, Step};
use crate::testing::vectors;

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let mut bytes = vec![0; digits.len() / 2];
    decode(digits, &mut bytes).unwrap();
    bytes
}

fn index(value: &Value) -> Index {
    value.as_u64().unwrap().try_into().unwrap()
}

/// Hands out these bytes and no more.
struct Given(Vec<u8>);

impl RngCore for Given {
    fn fill_bytes(&mut self, target: &mut [u8]) {
        let rest = self.0.split_off(target.len());
        target.copy_from_slice(&std::mem::replace(&mut self.0, rest));
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(target);
        Ok(())
    }

    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }
}

impl CryptoRng for Given {}

/// Our body of a share (docs/formats.md).
fn body(me: Index, share: &[u8], public_key: &[u8]) -> Vec<u8> {
    [&[1, me], share, public_key].concat()
}

#[test]
fn nonces_commitments_shares_and_signature_are_those_of_rfc_9591() {
    let Some(file) = vectors("frost_rfc9591_ed25519.json") else { return };
    let inputs = &file["inputs"];
    let (public_key, message) = (bytes(&inputs["group_public_key"]), bytes(&inputs["message"]));
    let mut bodies = BTreeMap::new();
    let mut public_shares = BTreeMap::new();
    for participant in inputs["participant_shares"].as_array().unwrap() {
        let (me, share) = (index(&participant["identifier"]), bytes(&participant["participant_share"]));
        let public_share = VerifyingShare::from(SigningShare::deserialize(&share).unwrap());
        public_shares.insert(me, public_share.serialize().unwrap());
        bodies.insert(me, body(me, &share, &public_key));
    }
    let group_key = GroupKey { key_type: KeyType::Ed25519, parameters: parameters(2, 3), public_key, public_shares };

    let mut nonces = BTreeMap::new();
    let mut commitments = BTreeMap::new();
    for made in file["round_one_outputs"]["outputs"].as_array().unwrap() {
        let me = index(&made["identifier"]);
        let random = [&made["hiding_nonce_randomness"], &made["binding_nonce_randomness"]].map(bytes).concat();
        let (secret, commitment) = prepare_with(&bodies[&me], &group_key, me, &mut Given(random)).unwrap();
        let expected = [&made["hiding_nonce_commitment"], &made["binding_nonce_commitment"]].map(bytes).concat();
        assert_eq!(hex(&commitment), hex(&expected));
        nonces.insert(me, secret);
        commitments.insert(me, commitment);
    }
    let mut shares = BTreeMap::new();
    for made in file["round_two_outputs"]["outputs"].as_array().unwrap() {
        let me = index(&made["identifier"]);
        let nonces = nonces.remove(&me).unwrap();
        let share = sign_share(nonces, &bodies[&me], &group_key, me, &commitments, &message).unwrap();
        assert_eq!(hex(&share), made["sig_share"].as_str().unwrap());
        shares.insert(me, share.to_vec());
    }
    assert_eq!(shares.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 3]));
    let signature = aggregate(&group_key, &commitments, &message, &shares).unwrap();
    assert_eq!(hex(&signature.bytes), file["final_output"]["sig"].as_str().unwrap());
}

/// What the vector does not give is the nonce of the proof of knowledge: ours differs, and theirs is verified.
#[test]
fn key_generation_makes_the_shares_and_the_keys_of_the_zcash_foundation() {
    let Some(file) = vectors("frost_zf_ed25519_dkg.json") else { return };
    let inputs = &file["inputs"];
    let everyone = parameters(2, 3).everyone();
    let broadcast = |member: Index| {
        let member = &inputs[member.to_string()];
        let commitments = member["vss_commitments"].as_array().unwrap().iter().flat_map(bytes);
        commitments.chain(bytes(&member["proof_of_knowledge"])).collect::<Vec<_>>()
    };
    // A scalar is drawn as 64 bytes, little-endian and reduced, so its own 32 bytes and zeros give it.
    let scalar = |value: &Value| [bytes(value), vec![0; 32]].concat();
    for me in 1..=3 {
        let vector = &inputs[me.to_string()];
        let random = [scalar(&vector["signing_key"]), scalar(&vector["coefficient"]), vec![me; 64]].concat();
        let seat = Seat { me, parameters: parameters(2, 3), set: everyone.clone(), session: [0; 32] };
        let (outbox, machine) = start_with(seat, Given(random)).unwrap();
        assert_eq!(outbox.broadcast.unwrap()[..64], broadcast(me)[..64], "the commitments of member {me}");

        let others = || everyone.iter().copied().filter(|other| *other != me);
        let broadcasts = others().map(|other| (other, broadcast(other))).collect();
        let Ok(Step::Send(outbox, machine)) = machine.step(Inbox { broadcasts, ..Inbox::default() }) else {
            panic!("round 0 of member {me}")
        };
        for other in others() {
            // The vector files a share under the member that receives it.
            let expected = bytes(&inputs[other.to_string()]["signing_shares"][me.to_string()]);
            assert_eq!(outbox.direct[&other][..], expected, "from {me} to {other}");
        }

        let received = &vector["signing_shares"];
        let direct = others().map(|other| (other, Secret::new(bytes(&received[other.to_string()])))).collect();
        let Ok(Step::Done(key)) = machine.step(Inbox { direct, ..Inbox::default() }) else {
            panic!("round 1 of member {me}")
        };
        let public_key = bytes(&inputs["verifying_key"]);
        assert_eq!(key.body[..], body(me, &bytes(&vector["signing_share"]), &public_key));
        assert_eq!(key.group_key.public_key, public_key);
        for member in &everyone {
            let expected = bytes(&inputs[member.to_string()]["verifying_share"]);
            assert_eq!(key.group_key.public_shares[member], expected);
        }
        open(&key.body, &key.group_key, me).unwrap();
    }
}
