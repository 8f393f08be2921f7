//! TLS to services, by rustls with the authorities that the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::failure::failed;
use promptsales_engine::effect::CallError;

/// What connections are encrypted with: read at the first use, since a product that calls nobody needs none of it.
#[derive(Default)]
pub(super) struct Tls(OnceLock<TlsConnector>);

impl Tls {
    /// The connector.
    ///
    /// # Errors
    ///
    /// [`CallError::Failed`] where the system trusts no authority.
    pub(super) fn connector(&self) -> Result<TlsConnector, CallError> {
        if let Some(made) = self.0.get() {
            return Ok(made.clone());
        }
        let made = TlsConnector::from(Arc::new(config()?));
        Ok(self.0.get_or_init(|| made).clone())
    }
}

fn config() -> Result<ClientConfig, CallError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(failed("tls", "the system trusts no certificate authority"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed("tls", error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
