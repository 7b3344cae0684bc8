//! The commands: what each reads, checks and puts out, in this order.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hyperkms_core::error::{Error, Result};
use hyperkms_core::hex::{decode_either_case, hex};
use hyperkms_core::key_copy::KeyCopy;
use hyperkms_core::new_file::{io_error, publish};
use hyperkms_core::root_file::RootFile;
use hyperkms_core::single::{address, KeyType};
use hyperkms_cosign::protocol::{GroupKey, KeyShare};
use hyperkms_cosign::recipient::Recipient;
use hyperkms_cosign::sealed_share;
use hyperkms_cosign::share_context::ShareContext;
use hyperkms_cosign::share_copy::{copy_for, ShareCopy};

use crate::arguments::{not_understood, Arguments};
use crate::combine::{ed25519_signature, secp256k1_key};
use crate::copies::Opened;
use crate::files::{read_open, KeyPipe};
use crate::first_system;
use crate::identity::Identity;
use crate::whole::Whole;

/// The identity of one recovery, in the folder that `begin` was given.
const IDENTITY_FILE: &str = "recovery.identity";
const EXPOSED: &str = "\
THIS KEY NOW COUNTS AS EXPOSED: it was whole in one place.
  1. An agent: approve a new one at the exchange. A master account: move its funds to a new one.
  2. Retire the wallet that this key was imported into, and the one that it was recovered from.
  3. Destroy the copies, and the identity that opened them.";

type Words = std::vec::IntoIter<OsString>;

/// `first-system`: the seed of a key that the first system had split, to a pipe.
pub fn first_system(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["share", "in", "dir", "identity", "public-key"])?;
    let (shares, copies, public) = (given.paths("share"), given.paths("in"), given.text("public-key")?);
    let public = read_public_key(&public)?.try_into();
    let public = public.map_err(|_| not_understood("--public-key: an Ed25519 key has 64 hex digits"))?;
    if !shares.is_empty() && !copies.is_empty() {
        return Err(not_understood("--share is for files with shares, --in for copies: it is one of the two"));
    }
    let mut output = KeyPipe::open()?;
    let seed = if copies.is_empty() {
        first_system::recover(&shares, &public)?
    } else {
        let copies = copies.iter().map(|path| read_open(path)).collect::<Result<Vec<_>>>()?;
        first_system::recover_copies(&copies, &identity_of(&mut given)?, &public)?
    };
    output.write(&seed)?;
    eprintln!("hyperkms-recover: wrote the Ed25519 key of {}", shown(&public));
    eprintln!("{EXPOSED}");
    Ok(())
}

/// `recipient new`: an identity for copies of shares that are made at key generation.
pub fn recipient_new(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["out"])?;
    show_recipient(&Identity::create(&given.path("out")?, None)?.recipient);
    Ok(())
}

/// `begin`: an identity for one recovery of one wallet.
pub fn begin(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["wallet", "out"])?;
    let (wallet, folder) = (given.text("wallet")?, given.path("out")?);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|cause| io_error(&folder, &cause))?;
    show_recipient(&Identity::create(&folder.join(IDENTITY_FILE), Some(wallet))?.recipient);
    Ok(())
}

/// `hand-over`: a cosigner's share, encrypted anew to the recipient that was read out.
pub fn hand_over(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["share", "root-key", "to", "out"])?;
    let (share, root, out) = (given.path("share")?, given.path("root-key")?, given.path("out")?);
    let recipient = Recipient::read(&given.text("to")?)?;
    let sealed = read_open(&share)?;
    let context = sealed_share::inspect(&sealed)?.context;
    context.check()?;
    let KeyShare { body, group_key } = sealed_share::open_under(&sealed, &context, &RootFile::open(&root)?)?;
    let opened = Opened { context, group_key, body };
    opened.require_fitting()?;
    let Opened { context, group_key, body } = &opened;
    publish(&out, &copy_for(body, group_key, context, &recipient)?)?;
    println!("{}", of_share(context, group_key));
    println!("handed over to: {}", recipient.fingerprint());
    Ok(())
}

/// `check`: whether a copy opens and holds the share that it says; never the share.
pub fn check(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["in", "identity"])?;
    let (copy, identity) = (read_open(&given.path("in")?)?, Identity::open(&given.path("identity")?)?);
    if KeyCopy::is_one(&copy) {
        println!("{}", of_whole(&Whole::open(&copy, &identity)?));
        return Ok(());
    }
    let opened = Opened::open(&copy, &identity)?;
    println!("{}", of_share(&opened.context, &opened.group_key));
    Ok(())
}

/// `open`: the whole key of a wallet, from the copy that was made at its birth.
pub fn open(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["in", "identity", "public-key"])?;
    let expected = given.optional_text("public-key")?.as_deref().map(read_public_key).transpose()?;
    let identity = Identity::open(&given.path("identity")?)?;
    let copy = read_open(&given.path("in")?)?;
    let mut output = KeyPipe::open()?;
    let opened = Whole::open(&copy, &identity)?;
    if expected.is_some_and(|expected| expected != opened.public_key) {
        return Err(Error::refused("copies-of-another-key", "the copy is of another key than the public key given"));
    }
    output.write(&opened.key)?;
    eprintln!("hyperkms-recover: wrote the key, from its copy");
    eprintln!("{}", of_whole(&opened));
    eprintln!("{EXPOSED}");
    Ok(())
}

/// `combine`: the key of a wallet from copies of t of its shares.
pub fn combine(words: Words) -> Result<()> {
    let mut given = Arguments::read(words, &["dir", "identity", "in", "public-key", "sign-file"])?;
    let expected = given.optional_text("public-key")?.as_deref().map(read_public_key).transpose()?;
    let message = given.optional("sign-file")?.map(PathBuf::from);
    let identity = identity_of(&mut given)?;
    let copies = given.paths("in").iter().map(|path| read_open(path)).collect::<Result<Vec<_>>>()?;
    let first = copies.first().ok_or_else(|| not_understood("--in is missing"))?;
    // (1) Before anything is opened: what would come out, and whether it has a place to go.
    let key_type = ShareCopy::read(first)?.context.key_type;
    let output = place_for(key_type, message.as_deref())?;
    // (2) Each copy is of its own group key, and that is the one which was asked for.
    let opened = copies.iter().map(|copy| Opened::open(copy, &identity)).collect::<Result<Vec<_>>>()?;
    require_expected(&opened, expected.as_deref())?;
    // (3) The key, held against the public key of the group.
    match output {
        Place::Pipe(mut pipe) => pipe.write(&secp256k1_key(&opened)?)?,
        Place::Signature(message) => println!("0x{}", hex(&ed25519_signature(&opened, &message)?)),
    }
    let done = if key_type == KeyType::Secp256k1 { "wrote the key" } else { "signed with the key" };
    eprintln!("hyperkms-recover: {done}, put together from the shares of {} cosigners", opened.len());
    eprintln!("{}", of_key(&opened[0].context, &opened[0].group_key));
    eprintln!("{EXPOSED}");
    Ok(())
}

/// Where the outcome goes: a secp256k1 key to a pipe, of an Ed25519 key one signature.
enum Place {
    Pipe(KeyPipe),
    Signature(Vec<u8>),
}

fn place_for(key_type: KeyType, message: Option<&Path>) -> Result<Place> {
    match (key_type, message) {
        (KeyType::Secp256k1, None) => Ok(Place::Pipe(KeyPipe::open()?)),
        (KeyType::Ed25519, Some(path)) => Ok(Place::Signature(read_open(path)?)),
        (KeyType::Secp256k1, Some(_)) => {
            let words = "--sign-file is for Ed25519 keys: a secp256k1 key is put out, and imported to sign with";
            Err(Error::refused("wrong-key-type", words))
        }
        (KeyType::Ed25519, None) => {
            let words = "an Ed25519 key that was made in shares is a scalar and has no seed, so it can be imported \
                nowhere (RFC 8032 derives a key from its seed, and not back): with --sign-file FILE it signs the \
                bytes of one file, for as many files as there are";
            Err(Error::refused("ed25519-key-has-no-seed", words))
        }
    }
}

fn identity_of(given: &mut Arguments) -> Result<Identity> {
    match (given.optional("dir")?, given.optional("identity")?) {
        (Some(folder), None) => Identity::open(&PathBuf::from(folder).join(IDENTITY_FILE)),
        (None, Some(file)) => Identity::open(Path::new(&file)),
        _ => Err(not_understood("one of --dir (of `begin`) and --identity (of `recipient new`) is needed")),
    }
}

/// Refused if a public key was asked for and the copies are of another.
fn require_expected(opened: &[Opened], expected: Option<&[u8]>) -> Result<()> {
    let Some(expected) = expected else { return Ok(()) };
    if opened.iter().all(|copy| copy.group_key.public_key == expected) {
        return Ok(());
    }
    Err(Error::refused("copies-of-another-key", "a copy is of a share of another key than the public key given"))
}

fn read_public_key(digits: &str) -> Result<Vec<u8>> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut bytes = vec![0; digits.len() / 2];
    decode_either_case(digits.as_bytes(), &mut bytes)
        .ok_or_else(|| not_understood("--public-key is hex digits, with or without 0x"))?;
    Ok(bytes)
}

fn show_recipient(recipient: &Recipient) {
    println!("recipient: {}", recipient.to_text());
    println!("fingerprint: {}", recipient.fingerprint());
}

/// What a share is for, one thing a line.
fn of_share(context: &ShareContext, group_key: &GroupKey) -> String {
    let ShareContext { index, threshold, members, .. } = context;
    let key = of_key(context, group_key);
    format!("{key}\nshare: {index} of {members}, any {threshold} make the key")
}

/// What a whole key is for, one thing a line.
fn of_whole(opened: &Whole) -> String {
    let Whole { context, public_key, .. } = opened;
    let address = address(public_key).ok().filter(|_| context.key_type == KeyType::Secp256k1);
    let address = address.map(|address| format!("\naddress: {}", shown(&address))).unwrap_or_default();
    format!(
        "wallet: {}\nversion: {}\nkey type: {}\nnetwork: {}\npublic key: {}{address}",
        context.wallet,
        context.version,
        context.key_type.name(),
        context.network.name(),
        shown(public_key),
    )
}

fn of_key(context: &ShareContext, group_key: &GroupKey) -> String {
    let ShareContext { wallet, version, epoch, key_type, network, .. } = context;
    let public = &group_key.public_key;
    let address = address(public).ok().filter(|_| *key_type == KeyType::Secp256k1);
    let address = address.map(|address| format!("\naddress: {}", shown(&address))).unwrap_or_default();
    format!(
        "wallet: {wallet}\nversion: {version}\nepoch: {epoch}\nkey type: {}\nnetwork: {}\npublic key: {}{address}",
        key_type.name(),
        network.name(),
        shown(public),
    )
}

fn shown(bytes: &[u8]) -> String {
    format!("0x{}", hex(bytes))
}
