//! Whom connections trust: what the system trusts, and one private authority more if the lender
//! names it. Calls over HTTP and the link use the same roots, so that a server that can be enrolled
//! at can also be linked to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls_platform_verifier::Verifier;

/// Why no connection can be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file of the private authority cannot be used.
    #[error("{file} has no certificate in PEM form that could be read: {source}")]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file has none.
    #[error("{0} has no certificate in PEM form")]
    Empty(PathBuf),
    /// The system's own certificates cannot be used.
    #[error("the certificates of this system cannot be used: {0}")]
    System(#[from] rustls::Error),
}

/// What every connection is made with: the system's roots, and the certificates in this file.
pub(crate) fn trust(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let more = ca.map_or_else(|| Ok(Vec::new()), authorities)?;
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(more, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // Not less than usual: it verifies as the system does, as the HTTP client does by itself.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |source| TlsError::Authority { file: file.to_owned(), source };
    let found = CertificateDer::pem_file_iter(file).map_err(bad)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(bad)?;
    if found.is_empty() { Err(TlsError::Empty(file.to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_without_a_certificate_is_an_error_that_names_it() {
        let scratch = Scratch::new();
        let file = scratch.path().join("ca.pem");
        assert!(trust(Some(&file)).unwrap_err().to_string().contains("ca.pem"), "it is missing");
        std::fs::write(&file, "hello").unwrap();
        assert!(matches!(trust(Some(&file)), Err(TlsError::Empty(_))));
        assert!(trust(None).is_ok());
    }
}
