//! Answers of AWS KMS. They bear data keys, so they are received and read here and nowhere else.
//!
//! A request bears no secret: whoever may speak for the account builds and signs it. Each call has a connection of its
//! own, because the buffers of one that is kept would keep the last data key.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use ureq::config::AutoHeaderValue;
use ureq::tls::{parse_pem, Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Proxy};

use crate::error::{Error, Result};
use crate::memory::{on_deeply_wiped_stack, Slot};

/// The largest answer that is read; those of KMS with a data key have about 500 bytes.
const MAX_ANSWER: u64 = 64 * 1024;
const DATA_KEY: usize = 32;

/// How calls are made: with which certificates trusted, through which proxy.
pub struct Client {
    agent: Agent,
}

/// What KMS answered. The plaintext is taken out of it, as what it is due to be; nothing else of it is secret.
pub struct Answer<Plain = Slot> {
    /// The HTTP status.
    pub status: u16,
    /// The code of a refusal, such as `AccessDeniedException`; never its message, which names resources.
    pub refusal: Option<String>,
    /// The ARN of the KMS key that was used.
    pub key_id: Option<String>,
    /// The wrapped data key (GenerateDataKey).
    pub wrapped: Option<Vec<u8>>,
    /// A data key of 32 bytes, unless something else was asked for (GenerateDataKey, Decrypt).
    pub plaintext: Option<Plain>,
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(rename = "__type", alias = "code")]
    refusal: Option<String>,
    #[serde(rename = "KeyId")]
    key_id: Option<String>,
    #[serde(rename = "CiphertextBlob")]
    wrapped: Option<String>,
    #[serde(rename = "Plaintext")]
    plaintext: Option<String>,
}

impl Client {
    /// `trusted` has PEM certificates of authorities; `proxy` is the address of an HTTP proxy.
    pub fn new(trusted: &[u8], proxy: Option<&str>, connect: Duration) -> Result<Client> {
        let refuse = |what: &str| Error::malformed("malformed-setting", what);
        let proxy = proxy.map(Proxy::new).transpose().map_err(|_| refuse("the address of the proxy is not one"))?;
        let certificates: Vec<Certificate<'static>> = parse_pem(trusted)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(refuse("the file of trusted certificates has none (PEM is expected)"));
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&certificates))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .timeout_connect(Some(connect))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .user_agent(AutoHeaderValue::None)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .build();
        Ok(Client { agent: config.new_agent() })
    }

    /// Posts a signed request; the answer is complete and well-formed, whatever it says.
    ///
    /// Unavailable `kms-unreachable` when there is none in time, `kms-answer-malformed` when it is not one of KMS.
    pub fn send(&self, url: &str, headers: &[(String, String)], body: &[u8], within: Duration) -> Result<Answer> {
        self.send_for(data_key, url, headers, body, within)
    }

    /// The same for another plaintext, which `decode` takes out of its base64.
    pub fn send_for<Plain>(
        &self,
        decode: impl FnOnce(&str) -> Result<Plain>,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
        within: Duration,
    ) -> Result<Answer<Plain>> {
        require_encrypted(url)?;
        on_deeply_wiped_stack(|| {
            let mut request = self.agent.post(url).config().timeout_global(Some(within)).build();
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let mut response = request.send(body).map_err(|e| unreachable(&e))?;
            let status = response.status().as_u16();
            let body =
                response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| unreachable(&e))?;
            read(decode, status, &body)
        })
    }
}

/// Refuses to speak in the clear to anything but this machine.
fn require_encrypted(url: &str) -> Result<()> {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_local = |rest: Option<&str>| rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']));
    if url.starts_with("https://") || local.iter().any(|start| is_local(url.strip_prefix(start))) {
        return Ok(());
    }
    Err(Error::refused("kms-endpoint-refused", "AWS KMS is spoken to by https alone; http is for this machine"))
}

fn read<Plain>(decode: impl FnOnce(&str) -> Result<Plain>, status: u16, body: &[u8]) -> Result<Answer<Plain>> {
    let malformed = || Error::unavailable("kms-answer-malformed", "what answered is not AWS KMS, or was cut off");
    let body = match serde_json::from_slice(body) {
        Ok(found) => found,
        Err(_) if status >= 500 => Body::default(), // a load balancer's page
        Err(_) => return Err(malformed()),
    };
    let wrapped = body.wrapped.map(|text| Base64::decode_vec(&text)).transpose().map_err(|_| malformed())?;
    let plaintext = body.plaintext.map(|text| decode(&text)).transpose()?;
    Ok(Answer { status, refusal: body.refusal.map(|text| code_of(&text)), key_id: body.key_id, wrapped, plaintext })
}

fn data_key(text: &str) -> Result<Slot> {
    let malformed = || Error::unavailable("kms-answer-malformed", "a data key of AWS KMS is not 32 bytes long");
    let mut slot = Slot::take()?;
    let len = Base64::decode(text, &mut slot[..=DATA_KEY]).map_err(|_| malformed())?.len();
    if len == DATA_KEY {
        Ok(slot)
    } else {
        Err(malformed())
    }
}

/// `com.amazonaws.kms#AccessDeniedException` and `AccessDeniedException:...` name the same.
fn code_of(text: &str) -> String {
    let name = text.rsplit_once('#').map_or(text, |(_, name)| name);
    name.chars().take_while(char::is_ascii_alphanumeric).take(64).collect()
}

fn unreachable(error: &ureq::Error) -> Error {
    let why = match error {
        ureq::Error::Timeout(_) => "it did not answer in time",
        ureq::Error::HostNotFound => "its host name is not found",
        ureq::Error::ConnectionFailed => "there is no connection to it",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
            "no trusted TLS connection to it came about"
        }
        ureq::Error::BodyExceedsLimit(_) => "its answer was too large",
        ureq::Error::Io(cause) if cause.kind() == std::io::ErrorKind::ConnectionRefused => "it refused the connection",
        _ => "the connection to it broke",
    };
    Error::unavailable("kms-unreachable", format!("AWS KMS: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn answer_of(body: &str) -> Result<Answer> {
        read(data_key, 200, body.as_bytes())
    }

    #[test]
    fn a_data_key_and_its_wrapped_form_are_read() {
        let body = format!(r#"{{"Plaintext":"{KEY}","CiphertextBlob":"aGVsbG8=","KeyId":"arn:k","X":[1]}}"#);
        let answer = answer_of(&body).unwrap();
        let expected: Vec<u8> = (0..32).collect();
        assert_eq!(answer.plaintext.unwrap().key()[..], expected[..]);
        assert_eq!(answer.wrapped.unwrap(), b"hello");
        assert_eq!(answer.key_id.unwrap(), "arn:k");
        assert!(answer.refusal.is_none());
    }

    #[test]
    fn every_cut_and_every_other_length_is_refused() {
        let body = format!(r#"{{"Plaintext":"{KEY}","CiphertextBlob":"aGVsbG8=","KeyId":"arn:k"}}"#);
        for end in 0..body.len() {
            assert_eq!(answer_of(&body[..end]).err().unwrap().code, "kms-answer-malformed", "{end}");
        }
        for key in ["", "AA==", &KEY[4..], &format!("AAAA{KEY}"), &KEY.replace('=', ""), &KEY.replace('A', "*")] {
            let body = format!(r#"{{"Plaintext":"{key}","KeyId":"arn:k"}}"#);
            assert_eq!(answer_of(&body).err().unwrap().code, "kms-answer-malformed", "{key}");
        }
        let twice = format!(r#"{{"Plaintext":"{KEY}","Plaintext":"{KEY}"}}"#);
        assert!(answer_of(&twice).is_err());
    }

    #[test]
    fn a_refusal_is_its_code_alone() {
        for text in
            ["AccessDeniedException", "com.amazonaws.kms#AccessDeniedException", "AccessDeniedException:http://x"]
        {
            let body = format!(r#"{{"__type":"{text}","message":"User: arn:aws:iam::1:user/x is not allowed"}}"#);
            assert_eq!(read(data_key, 400, body.as_bytes()).unwrap().refusal.unwrap(), "AccessDeniedException");
        }
        assert!(read(data_key, 503, b"<html>").unwrap().refusal.is_none());
        assert!(read(data_key, 400, b"<html>").is_err());
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for url in
            ["https://kms.eu-west-1.amazonaws.com/", "http://127.0.0.1:3000/", "http://localhost/", "http://[::1]:1"]
        {
            assert!(require_encrypted(url).is_ok(), "{url}");
        }
        for url in
            ["http://kms.eu-west-1.amazonaws.com/", "http://127.0.0.1.example.com/", "http://localhost.x/", "ftp://x"]
        {
            assert_eq!(require_encrypted(url).unwrap_err().code, "kms-endpoint-refused", "{url}");
        }
    }

    fn served_once(answer: &'static [u8]) -> (String, thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            while !seen.ends_with(b"{}") {
                let len = stream.read(&mut buffer).unwrap();
                seen.extend_from_slice(&buffer[..len]);
            }
            stream.write_all(answer).unwrap();
            seen
        });
        (url, served)
    }

    fn client() -> Client {
        let pem = include_bytes!("../testdata/authority.pem");
        Client::new(pem, None, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn what_is_sent_is_what_was_signed_and_a_redirect_is_followed_nowhere() {
        let answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\n{}";
        let (url, served) = served_once(answer);
        let headers = [("X-Amz-Target".into(), "TrentService.Decrypt".into()), ("Authorization".into(), "A".into())];
        let answer = client().send(&url, &headers, b"{}", Duration::from_secs(5)).unwrap();
        assert_eq!(answer.status, 302);
        let seen = String::from_utf8(served.join().unwrap()).unwrap().to_lowercase();
        assert!(seen.starts_with("post / http/1.1\r\n"), "{seen}");
        for line in ["x-amz-target: trentservice.decrypt", "authorization: a", "content-length: 2"] {
            assert!(seen.contains(line), "{seen}");
        }
        assert!(!seen.contains("user-agent") && !seen.contains("accept"), "{seen}");
    }

    #[test]
    fn no_answer_a_cut_one_and_a_large_one_are_told_apart() {
        let gone = client().send("http://127.0.0.1:1/", &[], b"{}", Duration::from_secs(5)).err().unwrap();
        assert_eq!((gone.code, gone.message.as_str()), ("kms-unreachable", "AWS KMS: it refused the connection"));
        let (url, _) = served_once(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"KeyId\":");
        assert_eq!(client().send(&url, &[], b"{}", Duration::from_secs(5)).err().unwrap().code, "kms-unreachable");
        let (url, _) = served_once(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}");
        assert!(client().send(&url, &[], b"{}", Duration::from_secs(5)).is_err());
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let late = client().send(&url, &[], b"{}", Duration::from_millis(200)).err().unwrap();
        assert_eq!(late.message, "AWS KMS: it did not answer in time");
    }

    #[test]
    fn an_authority_that_is_none_is_refused() {
        assert_eq!(Client::new(b"no pem", None, Duration::from_secs(1)).err().unwrap().code, "malformed-setting");
    }
}
