//! Authorities, certificates and clients for a server that speaks TLS.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use solon::server::TlsFiles;

/// An authority, and the files of a server that it vouches for.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate of a client, and its key.
pub struct ClientCertificate {
    pub der: CertificateDer<'static>,
    key: Vec<u8>,
}

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

impl ClientCertificate {
    /// Writes it and its key as files of PEM; the names of both.
    #[cfg(feature = "cli")]
    pub fn write(&self, dir: &Path) -> [std::path::PathBuf; 2] {
        use base64::Engine as _;
        let written = |name: &str, kind: &str, der: &[u8]| {
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            let path = dir.join(name);
            let text = format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
            fs::write(&path, text).unwrap();
            path
        };
        let files = [
            written("client.pem", "CERTIFICATE", &self.der),
            written("client.key", "PRIVATE KEY", &self.key),
        ];
        set_mode(&files[1], 0o600);
        files
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes a new certificate for `localhost` and its key, over those that are there.
    pub fn write(&self, dir: &Path) -> TlsFiles {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = TlsFiles {
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
            client_authorities: None,
        };
        replace(&files.certificate, &certificate.pem());
        replace(&files.key, &key.serialize_pem());
        set_mode(&files.key, 0o600);
        files
    }

    /// The same, and clients must have a certificate of this authority.
    pub fn write_verifying(&self, dir: &Path) -> TlsFiles {
        let authorities = dir.join("clients.pem");
        replace(&authorities, &self.pem);
        TlsFiles {
            client_authorities: Some(authorities),
            ..self.write(dir)
        }
    }

    /// A client's certificate with these names, each `uri:` or `dns:` and a name; good until the start of `year`.
    pub fn client(&self, names: &[&str], year: i32) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(year, 1, 1);
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.split_once(':').unwrap() {
                ("uri", uri) => SanType::URI(uri.try_into().unwrap()),
                ("dns", host) => SanType::DnsName(host.try_into().unwrap()),
                _ => panic!("{name}"),
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        ClientCertificate {
            der: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// Connects as a client that trusts this authority. The handshake is made by the first read or write.
    pub fn connect(&self, to: SocketAddr, how: &Connecting<'_>) -> Stream {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(how.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match how.certificate {
            None => config.with_no_client_auth(),
            Some(it) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(it.key.clone()));
                config
                    .with_client_auth_cert(vec![it.der.clone()], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = how.protocols.iter().map(|it| it.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(client, TcpStream::connect(to).unwrap())
    }
}

/// How a client connects.
pub struct Connecting<'a> {
    pub versions: &'a [&'static SupportedProtocolVersion],
    pub protocols: &'a [&'a [u8]],
    pub certificate: Option<&'a ClientCertificate>,
}

impl Default for Connecting<'_> {
    fn default() -> Self {
        Self {
            versions: rustls::DEFAULT_VERSIONS,
            protocols: &[],
            certificate: None,
        }
    }
}

/// Writes a file as those do who renew certificates: under another name, and then renamed.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

#[cfg(unix)]
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
pub fn set_mode(_: &Path, _: u32) {}

/// An answer, as far as a test asks.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub body: String,
}

impl Told {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends one HTTP/1.1 request that keeps the connection open, and reads its answer.
pub fn ask(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Told> {
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: localhost\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "content-length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Told {
        status: head[9..12].parse().unwrap(),
        body: String::from_utf8(body).unwrap(),
    })
}
