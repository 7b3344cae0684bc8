//! The ways in which a message of points and scalars can be wrong.

use frost_ed25519::{Ed25519Group, Ed25519ScalarField, Field, FieldError, Group, GroupError};
use hyperkms_core::hex::unhex;
use hyperkms_core::memory::fill_random;

pub const MALFORMED: &str = "cosigner-message-malformed";

/// A wrong value of one field, and whether the field alone tells.
pub struct Wrong {
    name: &'static str,
    field: [u8; 32],
    malformed: bool,
}

fn wrong(name: &'static str, digits: &str, malformed: bool) -> Wrong {
    Wrong { name, field: unhex(digits.as_bytes()).unwrap(), malformed }
}

pub fn wrong_points() -> Vec<Wrong> {
    vec![
        wrong("the base point", "5866666666666666666666666666666666666666666666666666666666666666", false),
        wrong("identity", "0100000000000000000000000000000000000000000000000000000000000000", true),
        wrong("identity with a sign", "0100000000000000000000000000000000000000000000000000000000000080", true),
        wrong("order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true),
        wrong("order 4", "0000000000000000000000000000000000000000000000000000000000000000", true),
        wrong("order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", true),
        wrong("mixed order", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", true),
        wrong("off the curve", "0200000000000000000000000000000000000000000000000000000000000000", true),
        wrong("p, for 0", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true),
        wrong("p + 1, for the identity", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true),
        wrong("p + 3, for 3", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true),
        wrong("all ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", true),
    ]
}

pub fn wrong_scalars() -> Vec<Wrong> {
    vec![
        wrong("zero", "0000000000000000000000000000000000000000000000000000000000000000", false),
        wrong("one", "0100000000000000000000000000000000000000000000000000000000000000", false),
        wrong("l - 1", "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", false),
        wrong("l", "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", true),
        wrong("l + 1", "eed3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", true),
        wrong("all ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", true),
    ]
}

#[test]
fn the_wrong_fields_are_wrong_in_the_way_that_their_names_say() {
    for Wrong { name, field, malformed } in wrong_points() {
        let found = Ed25519Group::deserialize(&field).err();
        match name {
            "identity" => assert_eq!(found, Some(GroupError::InvalidIdentityElement)),
            "off the curve" => assert_eq!(found, Some(GroupError::MalformedElement)),
            _ if name.contains("order") => assert_eq!(found, Some(GroupError::InvalidNonPrimeOrderElement), "{name}"),
            _ => assert_eq!(found.is_some(), malformed, "{name}"),
        }
    }
    for Wrong { name, field, malformed } in wrong_scalars() {
        let found = Ed25519ScalarField::deserialize(&field).err();
        assert_eq!(found, malformed.then_some(FieldError::MalformedScalar), "{name}");
    }
}

/// What the fields of a message are, in their order.
pub type Form<'a> = &'a [fn() -> Vec<Wrong>];

type Alter = dyn Fn(&mut Vec<u8>);

pub struct Change {
    pub name: String,
    pub malformed: bool,
    alter: Box<Alter>,
}

impl Change {
    fn new(name: impl Into<String>, malformed: bool, alter: impl Fn(&mut Vec<u8>) + 'static) -> Change {
        Change { name: name.into(), malformed, alter: Box::new(alter) }
    }

    pub fn apply(&self, message: &mut Vec<u8>) {
        let before = message.clone();
        (self.alter)(message);
        assert_ne!(*message, before, "{} changes nothing", self.name);
    }

    /// Whether every field of the changed message is a point or scalar. Random bytes are or are not.
    pub fn well_formed(&self) -> bool {
        !self.malformed && self.name != "random bytes"
    }
}

/// Every change of a message of this form.
pub fn changes(form: Form) -> Vec<Change> {
    let length = form.len() * 32;
    let mut changes = vec![
        Change::new("nothing", true, Vec::clear),
        Change::new("a byte less", true, move |message| message.truncate(length - 1)),
        Change::new("a field less", true, |message| drop(message.drain(..32))),
        Change::new("a byte more", true, |message| message.push(0)),
        Change::new("a field more", true, |message| message.extend_from_within(..32)),
        Change::new("1 MiB", true, |message| message.resize(1 << 20, 0x5a)),
        Change::new("random bytes", false, |message| fill_random(message).unwrap()),
    ];
    for (place, kind) in form.iter().enumerate() {
        changes.extend(kind().into_iter().map(|Wrong { name, field, malformed }| {
            Change::new(format!("field {place}: {name}"), malformed, move |message| {
                assert_eq!(message.len(), length);
                message[place * 32..][..32].copy_from_slice(&field);
            })
        }));
    }
    changes
}
