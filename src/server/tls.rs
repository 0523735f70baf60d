//! TLS: the certificate and its key, from files.

use crate::config::Tls;
use rustls::ServerConfig;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that a file may have: a chain of certificates has a few thousand.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The one protocol that is spoken inside TLS.
const ALPN: &[u8] = b"http/1.1";

/// Why a certificate and its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the files can't be read.
    #[error("`{setting}`: {file} cannot be read: {cause}")]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// One of the files does not hold what it should.
    #[error("`{setting}`: {file} must hold {expected} in PEM, such as -----BEGIN {label}-----")]
    NotPem {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What its first line would say.
        label: &'static str,
    },
    /// The two can't be used together.
    #[error(
        "`tls.key`: {key} is not the key of the certificate in {certificate} (`tls.certificate`)"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library can't use them.
    #[error("`tls.certificate` {certificate}, `tls.key` {key}: {cause}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// The certificate is not valid at this time.
    #[error("`tls.certificate`: {certificate}: {cause}")]
    NotValidNow {
        /// The certificate's file.
        certificate: PathBuf,
        /// Since or until when.
        cause: CertificateError,
    },
}

/// A certificate and its key.
pub(super) struct Pair {
    pub(super) config: Arc<ServerConfig>,
    /// Whether the certificate is valid at this time.
    pub(super) validity: Result<(), TlsError>,
}

/// Reads the certificate and its key, if the settings name them.
///
/// # Errors
/// [`TlsError`] if they are not there or don't belong together.
pub(super) fn load(tls: &Tls) -> Result<Option<Pair>, TlsError> {
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else {
        return Ok(None);
    };
    let chain = read_chain(certificate)?;
    let validity = check_validity(&chain, certificate);
    let private = read_key(key)?;
    let built = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        });
    let mut config = built.map_err(|cause| {
        let (certificate, key) = (certificate.clone(), key.clone());
        match cause {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
            cause => TlsError::Unusable {
                certificate,
                key,
                cause,
            },
        }
    })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Some(Pair {
        config: Arc::new(config),
        validity,
    }))
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file, "tls.certificate")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| TlsError::NotPem {
            setting: "tls.certificate",
            file: file.to_owned(),
            expected: "a certificate",
            label: "CERTIFICATE",
        })
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(file, "tls.key")?;
    // What is wrong may be quoted in the library's error, and this is a secret.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NotPem {
        setting: "tls.key",
        file: file.to_owned(),
        expected: "a private key",
        label: "PRIVATE KEY",
    })
}

fn read(file: &Path, setting: &'static str) -> Result<Vec<u8>, TlsError> {
    read_bounded(file).map_err(|cause| TlsError::Unreadable {
        setting,
        file: file.to_owned(),
        cause,
    })
}

/// Reads a file that is not too large to be what it should be.
pub(super) fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(FILE_MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        let message = format!("it has more than {FILE_MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Who signed the certificate is for clients to judge; whether it is out of date can be known here. The
/// library looks at that before it looks for somebody to trust, and nobody is trusted here.
fn check_validity(chain: &[CertificateDer<'_>], certificate: &Path) -> Result<(), TlsError> {
    let Some(Ok(parsed)) = chain.first().map(ParsedCertificate::try_from) else {
        return Ok(());
    };
    let judgement = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &RootCertStore::empty(),
        &[],
        UnixTime::now(),
        ring::default_provider()
            .signature_verification_algorithms
            .all,
    );
    match judgement {
        Err(rustls::Error::InvalidCertificate(
            cause @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        )) => Err(TlsError::NotValidNow {
            certificate: certificate.to_owned(),
            cause,
        }),
        _ => Ok(()),
    }
}
