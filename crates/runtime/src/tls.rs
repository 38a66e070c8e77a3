//! TLS between the parts: every server asks for a certificate of the deployment's own authority, every client shows its own.
//!
//! The files are looked at for each new connection and read again when they have changed, so that certificates can be renewed
//! without a restart; connections that stand go on with the old ones.

use std::{
    fmt,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures::{Stream, stream};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::{
    config::Settings,
    settings::{TLS_CA_FILE, TLS_CERT_FILE, TLS_KEY_FILE, TLS_SERVER_NAME},
};

/// The time in which two sides must have agreed.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// So many may be agreeing at once.
const HANDSHAKES: usize = 256;
/// HTTP/2.
const PROTOCOL: &[u8] = b"h2";

/// A certificate with its key, and the authority that others' certificates must be of.
pub struct Tls {
    files: Files,
    /// The name that servers must have, if it is not that of their address.
    server_name: Option<ServerName<'static>>,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Clone)]
struct Files {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

/// When each file was last changed, and its length.
type Stamp = [Option<(SystemTime, u64)>; 3];

#[derive(Clone)]
struct Loaded {
    stamp: Stamp,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.files.cert.display())
    }
}

impl Tls {
    /// Reads the settings; faults are noted there. `None`: not set up, or with a fault.
    pub fn read(settings: &mut Settings) -> Option<Arc<Self>> {
        let all = [TLS_CA_FILE, TLS_CERT_FILE, TLS_KEY_FILE];
        let paths = all.map(|setting| settings.text(&setting));
        let server_name = settings.parse(&TLS_SERVER_NAME, |name| {
            ServerName::try_from(name.to_owned()).map_err(|_| "must be a name")
        });
        if paths.iter().all(Option::is_none) {
            return None;
        }
        for (setting, path) in all.iter().zip(&paths) {
            if path.is_none() {
                settings.fault(setting.name, "must be set too: TLS needs authority, certificate and key");
            }
        }
        let [Some(ca), Some(cert), Some(key)] = paths.map(|path| path.map(PathBuf::from)) else {
            return None;
        };
        match Self::load(Files { ca, cert, key }, server_name) {
            Ok(tls) => Some(Arc::new(tls)),
            Err((setting, error)) => {
                settings.fault(setting, error);
                None
            }
        }
    }

    /// From these files. The error names the setting.
    fn load(files: Files, server_name: Option<ServerName<'static>>) -> Result<Self, (&'static str, String)> {
        let loaded = files.load()?;
        Ok(Self { files, server_name, loaded: Mutex::new(loaded) })
    }

    /// As the files are now; as they were, if they can't be used now.
    fn now(&self) -> Loaded {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.files.stamp();
        if stamp != loaded.stamp {
            match self.files.load() {
                Ok(new) => {
                    tracing::info!(certificate = %self.files.cert.display(), "certificates were renewed");
                    *loaded = new;
                }
                Err((setting, error)) => {
                    // Not again before they change: half of them may be written yet.
                    loaded.stamp = stamp;
                    tracing::error!(
                        setting,
                        error,
                        "new certificates can't be used: the old ones stay in use"
                    );
                }
            }
        }
        loaded.clone()
    }

    /// Agrees with a server on a connection to `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        TlsConnector::from(self.now().client).connect(name, stream).await
    }

    /// Agrees with a client.
    async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        match tokio::time::timeout(HANDSHAKE_TIME, TlsAcceptor::from(self.now().server).accept(stream)).await
        {
            Ok(accepted) => accepted,
            Err(_elapsed) => Err(ErrorKind::TimedOut.into()),
        }
    }

    /// The connections of clients who have shown a certificate. Ends never; the listener closes when it is dropped.
    pub(crate) fn incoming(
        self: Arc<Self>,
        listener: TcpListener,
    ) -> impl Stream<Item = io::Result<server::TlsStream<TcpStream>>> {
        let (accepted, waiting) = mpsc::channel(HANDSHAKES);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(HANDSHAKES));
            loop {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let (stream, peer) = tokio::select! {
                    () = accepted.closed() => return,
                    connection = listener.accept() => match connection {
                        Ok(connection) => connection,
                        Err(error) => {
                            tracing::warn!(%error, "can't accept a connection");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            continue;
                        }
                    },
                };
                let (tls, accepted) = (self.clone(), accepted.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tls.accept(stream).await {
                        Ok(stream) => drop(accepted.send(Ok(stream)).await),
                        Err(error) => tracing::warn!(%peer, %error, "a connection was refused"),
                    }
                    drop(place);
                });
            }
        });
        stream::unfold(waiting, async |mut waiting| Some((waiting.recv().await?, waiting)))
    }
}

impl Files {
    fn stamp(&self) -> Stamp {
        [&self.ca, &self.cert, &self.key].map(|path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        })
    }

    fn load(&self) -> Result<Loaded, (&'static str, String)> {
        // Before reading: what changes meanwhile is read again.
        let stamp = self.stamp();
        let said = |path: &Path, what: &dyn fmt::Display| format!("{}: {what}", path.display());
        let certificates =
            |setting, path: &Path| -> Result<Vec<CertificateDer<'static>>, (&'static str, String)> {
                let fault = |what: &dyn fmt::Display| (setting, said(path, what));
                let text = std::fs::read(path).map_err(|error| fault(&error))?;
                let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
                match all {
                    Ok(all) if !all.is_empty() => Ok(all),
                    Ok(_) => Err(fault(&"holds no certificate in PEM")),
                    Err(error) => Err(fault(&error)),
                }
            };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(TLS_CA_FILE.name, &self.ca)? {
            roots.add(certificate).map_err(|error| (TLS_CA_FILE.name, said(&self.ca, &error)))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(TLS_CERT_FILE.name, &self.cert)?;
        let key_fault = |what: &dyn fmt::Display| (TLS_KEY_FILE.name, said(&self.key, what));
        let text = std::fs::read(&self.key).map_err(|error| key_fault(&error))?;
        let key =
            PrivateKeyDer::from_pem_slice(&text).map_err(|_| key_fault(&"holds no private key in PEM"))?;

        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| (TLS_CA_FILE.name, said(&self.ca, &error)))?;
        let unfit = |error: rustls::Error| {
            (TLS_CERT_FILE.name, format!("certificate and key can't be used: {error}"))
        };
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unfit)?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(unfit)?;
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Loaded { stamp, server: Arc::new(server), client: Arc::new(client) })
    }
}
