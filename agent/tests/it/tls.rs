//! Servers over TLS: what an unknown authority vouches for is refused for calls and for the link
//! alike, and both take an authority that the lender named.

use std::path::PathBuf;
use std::sync::Arc;

use crate::support::{FakeServer, Home, soon, until};
use medusa_agent::{Agent, Connection, Logs, install_crypto};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A server behind TLS, vouched for by an authority of its own.
struct Fort {
    server: FakeServer,
    url: String,
    home: Home,
    ca: PathBuf,
    _tasks: JoinSet<()>,
}

impl Fort {
    async fn new() -> Self {
        install_crypto();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let server = FakeServer::start().await;
        let inside = server.addr();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // Whoever does not trust it hangs up.
                    let Ok(mut outer) = acceptor.accept(stream).await else { return };
                    let mut inner = TcpStream::connect(inside).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut outer, &mut inner).await);
                });
            }
        });
        let home = Home::new();
        let ca = home.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        Self { server, url, home, ca, _tasks: tasks }
    }

    fn agent(&self, is_trusted: bool) -> Agent {
        let mut config = self.home.config();
        config.server = Some(self.url.clone());
        config.ca = is_trusted.then(|| self.ca.clone());
        Agent::start(config, Logs::default()).unwrap()
    }
}

const DEVICE: &str = "/v1/device";

#[tokio::test]
async fn what_an_unknown_authority_vouches_for_is_refused() {
    let fort = Fort::new().await;
    fort.home.enrol(&fort.url);
    let agent = fort.agent(false);
    let is_cut = |view: &medusa_agent::View| matches!(view.connection, Connection::Cut { .. });
    let view = until(&agent, "a refusal", is_cut).await;
    let words = view.in_words(tokio::time::Instant::now());
    assert!(words.contains("certificate"), "the lender can tell why: {words}");
    agent.stop().await;

    // A machine that is not enrolled asks over HTTP.
    std::fs::remove_file(fort.home.path().join("identity.json")).unwrap();
    let agent = fort.agent(false);
    let view = until(&agent, "a refusal", is_cut).await;
    let words = view.in_words(tokio::time::Instant::now());
    assert!(words.contains("certificate"), "{words}");
    assert_eq!(fort.server.asked(DEVICE), 0, "nothing was told to it");
}

#[tokio::test]
async fn an_authority_that_the_lender_named_is_trusted_by_calls_and_link() {
    let mut fort = Fort::new().await;
    let code = r#"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"http://a",
        "verification_uri_complete":"http://a","expires_in":600,"interval":0}"#;
    fort.server.answer(DEVICE, 200, code);
    let token = format!(
        r#"{{"agent":"{}","name":"desk","agent_key":"{}"}}"#,
        crate::support::agent_id(),
        crate::support::KEY
    );
    fort.server.answer("/v1/device/token", 200, token);
    let agent = fort.agent(true);
    let _link = soon("a link", fort.server.link()).await;
    assert_eq!(fort.server.asked(DEVICE), 1);
    until(&agent, "the link", |view| view.connection == Connection::Connected).await;
}

#[tokio::test]
async fn a_file_without_a_certificate_is_said_at_the_start() {
    let home = Home::new();
    home.enrol("https://localhost:9");
    let mut config = home.config();
    config.ca = Some(home.path().join("identity.json"));
    let error = Agent::start(config, Logs::default()).unwrap_err().to_string();
    assert!(error.contains("identity.json") && error.contains("certificate"), "{error}");
}
