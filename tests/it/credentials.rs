//! Tokens, clients and assertions as their owners meet them: the server on a socket over a store on disk, with a clock that
//! the tests set; issuers are on sockets of this machine.

use std::future::pending;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use provisor::clock::{Clock, SetClock, SystemClock};
use provisor::config::Limits;
use provisor::directory::token::{DAY, Scope};
use provisor::directory::{Directory, SourceRecord};
use provisor::server::{Registry, State, serve};
use provisor::store::{Options, SledStore};
use reqwest::{Client, RequestBuilder, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Scratch, code, root, run, stderr, stdout};

const MINUTE: u64 = 60_000;
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A server in this process, over the data directory `data` of a scratch.
struct Host {
    base: String,
    clock: Arc<SetClock>,
    registry: Arc<Registry>,
    admin: String,
    http: Client,
    task: tokio::task::JoinHandle<()>,
}

struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, text: response.text().await.unwrap() }
}

impl Host {
    async fn start(scratch: &Scratch) -> Self {
        Self::start_at(scratch, SystemClock.now()).await
    }

    async fn start_at(scratch: &Scratch, now: u64) -> Self {
        let clock = Arc::new(SetClock::at(now));
        let store = SledStore::open(scratch.path("data").as_ref(), Options::default()).unwrap();
        let directory = Directory::new(Arc::new(store), Arc::clone(&clock) as Arc<dyn Clock>);
        let registry = Arc::new(Registry::load(directory.clone()).await.unwrap());
        for slug in ["acme", "other"] {
            if registry.source(slug).is_none() {
                registry.add_source(SourceRecord::new(slug, now)).await.unwrap();
            }
        }
        let (_, admin) = registry.make_token("admin", Scope::Admin, None).await.unwrap();
        let limits = Limits { rate: 100_000, burst: 100_000, ..Limits::default() };
        let state = State::new(directory, Arc::clone(&registry), limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { serve(listener, state, Duration::ZERO, pending()).await.unwrap() });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { base, clock, registry, admin, http, task }
    }

    /// Ends the server, so that its data can be opened again.
    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
        drop(self.registry);
        // Connections end a moment after their server.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn later(&self, by: u64) {
        self.clock.set(self.clock.now() + by);
    }

    async fn api(&self, method: &str, path: &str, body: Value) -> Reply {
        let method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.admin);
        let request = request.header("content-type", "application/json");
        send(if body.is_null() { request } else { request.body(body.to_string()) }).await
    }

    async fn client(&self) -> (String, String) {
        let made = self.api("POST", "/clients", json!({"label": "entra", "source": "acme"})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        (made["id"].as_str().unwrap().to_owned(), made["clientSecret"].as_str().unwrap().to_owned())
    }

    /// A request to the token endpoint, its body form-encoded.
    async fn ask(&self, source: &str, parameters: &[(&str, &str)], authorization: Option<&str>) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = self.http.post(format!("{}/oauth/{source}/token", self.base));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        send(match authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        })
        .await
    }

    async fn token(&self, id: &str, secret: &str) -> Reply {
        let parameters = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        self.ask("acme", &parameters, None).await
    }

    async fn assert_for(&self, id: Option<&str>, assertion: &str) -> Reply {
        let mut parameters = vec![
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
            ("scope", "scim"),
        ];
        parameters.extend(id.map(|id| ("client_id", id)));
        self.ask("acme", &parameters, None).await
    }

    async fn scim(&self, source: &str, token: &str) -> Reply {
        send(self.http.get(format!("{}/scim/{source}/v2/Users", self.base)).bearer_auth(token)).await
    }
}

fn access(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_gets_access_to_its_source_for_a_while() {
    let scratch = Scratch::new("credentials-access");
    let host = Host::start(&scratch).await;
    let (id, secret) = host.client().await;
    assert!(id.starts_with("prvc1_") && secret.starts_with("prvs1_"), "{id}");
    let given = host.token(&id, &secret).await;
    let token = access(&given);
    assert!(token.starts_with("prva1_"));
    assert_eq!((&given.json()["token_type"], &given.json()["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    assert_eq!((given.header("cache-control"), given.header("content-type")), ("no-store", "application/json"));
    assert_eq!(host.scim("acme", &token).await.status, 200);
    assert_eq!(host.scim("other", &token).await.status, 401, "a token of one source is none of another");
    let admin = send(host.http.get(format!("{}/api/v1/tokens", host.base)).bearer_auth(&token)).await;
    assert_eq!(admin.status, 401, "{}", admin.text);
    let forged = format!("{}A", &token[..token.len() - 2]);
    assert_eq!(host.scim("acme", &forged).await.status, 401);

    // Form-encoded before base64 (RFC 6749, section 2.3.1), as in RFC 6749's own words.
    let encoded = format!("{}:{}", id.replace('_', "%5F"), secret.replace('_', "%5f"));
    let basic = format!("Basic {}", STANDARD.encode(encoded));
    let with_basic =
        host.ask("acme", &[("grant_type", "client_credentials"), ("scope", "scim.readwrite")], Some(&basic));
    let with_basic = with_basic.await;
    assert_eq!(with_basic.json()["scope"], "scim.readwrite", "{}", with_basic.text);
    assert_eq!(host.scim("acme", &access(&with_basic)).await.status, 200);
    let elsewhere = host.ask("other", &[("grant_type", "client_credentials")], Some(&basic)).await;
    assert_eq!((elsewhere.status, &elsewhere.json()["error"]), (401, &json!("invalid_client")));

    let config = send(host.http.get(format!("{}/scim/acme/v2/ServiceProviderConfig", host.base)).bearer_auth(&token));
    let schemes = config.await.json()["authenticationSchemes"].clone();
    assert_eq!((&schemes[0]["type"], &schemes[1]["type"]), (&json!("oauthbearertoken"), &json!("oauth2")));

    host.later(60 * MINUTE - 1);
    assert_eq!(host.scim("acme", &token).await.status, 200);
    host.later(1);
    let ended = host.scim("acme", &token).await;
    assert_eq!(ended.status, 401);
    assert!(ended.text.contains("token endpoint") && ended.header("www-authenticate").starts_with("Bearer"));
    let long = json!({"label": "slow", "source": "acme", "minutes": 360});
    let long = host.api("POST", "/clients", long).await.json();
    let given = host.token(long["id"].as_str().unwrap(), long["clientSecret"].as_str().unwrap()).await;
    assert_eq!(given.json()["expires_in"], 21_600);
}

/// Name, parameters, `Authorization`; status, `error`, a part of `error_description`.
type Refusal<'a> = (&'a str, Vec<(&'a str, &'a str)>, Option<&'a str>, u16, &'a str, &'a str);

#[tokio::test]
async fn every_refusal_of_the_token_endpoint() {
    let scratch = Scratch::new("credentials-refusals");
    let host = Host::start(&scratch).await;
    let (id, secret) = host.client().await;
    let grant = ("grant_type", "client_credentials");
    let (id_is, secret_is) = (("client_id", id.as_str()), ("client_secret", secret.as_str()));
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    let right = basic(format!("{id}:{secret}"));
    let wrong = basic(format!("{id}:prvs1_nothing"));
    let other = basic("somebody:something".to_owned());
    let cases: Vec<Refusal<'_>> = vec![
        ("no grant", vec![id_is, secret_is], None, 400, "invalid_request", "grant_type"),
        ("empty grant", vec![("grant_type", ""), id_is, secret_is], None, 400, "invalid_request", "grant_type"),
        ("password", vec![("grant_type", "password"), id_is], None, 400, "unsupported_grant_type", "password"),
        (
            "code",
            vec![("grant_type", "authorization_code"), id_is, secret_is],
            None,
            400,
            "unsupported_grant_type",
            "authorization_code",
        ),
        ("nobody", vec![grant], None, 401, "invalid_client", "who are you"),
        ("no id", vec![grant, secret_is], None, 400, "invalid_request", "client_id"),
        ("no secret", vec![grant, id_is], None, 401, "invalid_client", "who are you"),
        ("twice", vec![grant, id_is, id_is, secret_is], None, 400, "invalid_request", "twice"),
        ("two ways", vec![grant, id_is, secret_is], Some(&right), 400, "invalid_request", "one way"),
        ("other id", vec![grant, ("client_id", "x")], Some(&right), 400, "invalid_request", "another"),
        ("wrong secret", vec![grant, id_is, ("client_secret", "x")], None, 401, "invalid_client", "not known here"),
        ("wrong client", vec![grant, ("client_id", "x"), secret_is], None, 401, "invalid_client", "not known here"),
        ("wrong basic", vec![grant], Some(&wrong), 401, "invalid_client", "not known here"),
        ("other basic", vec![grant], Some(&other), 401, "invalid_client", "not known here"),
        ("bad basic", vec![grant], Some("Basic !"), 401, "invalid_client", "Basic"),
        ("bearer", vec![grant], Some("Bearer abc"), 401, "invalid_client", "Basic"),
        ("scope", vec![grant, id_is, secret_is, ("scope", "admin")], None, 400, "invalid_scope", "scim"),
        (
            "no type",
            vec![grant, id_is, ("client_assertion", "a.b.c")],
            None,
            400,
            "invalid_request",
            "client_assertion_type",
        ),
        (
            "type",
            vec![grant, ("client_assertion_type", "saml"), ("client_assertion", "x")],
            None,
            400,
            "invalid_request",
            JWT_BEARER,
        ),
        ("no assertion", vec![grant, ("client_assertion_type", JWT_BEARER)], None, 400, "invalid_request", "missing"),
    ];
    for some in cases.chunks(15) {
        for (name, parameters, authorization, status, error, part) in some {
            let reply = host.ask("acme", parameters, *authorization).await;
            assert_eq!((reply.status, &reply.json()["error"]), (*status, &json!(error)), "{name}: {}", reply.text);
            let described = reply.json()["error_description"].as_str().unwrap().to_owned();
            assert!(described.contains(part), "{name}: {described}");
            assert!(!reply.text.contains(&secret), "{name}");
            assert_eq!(reply.header("cache-control"), "no-store", "{name}");
            assert_eq!(reply.header("www-authenticate").starts_with("Basic"), *status == 401, "{name}");
        }
        // The endpoint takes ten requests a second.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    // Whether a client, or a source, exists is nothing that can be found out.
    let wrong = host.token(&id, "prvs1_x").await;
    let none = host.token("prvc1_x", "prvs1_x").await;
    let parameters = [grant, id_is, secret_is];
    let nowhere = host.ask("nowhere", &parameters, None).await;
    assert_eq!((wrong.status, &wrong.text), (none.status, &none.text));
    assert_eq!((wrong.status, &wrong.text), (nowhere.status, &nowhere.text));

    let url = format!("{}/oauth/acme/token", host.base);
    let body = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret}).to_string();
    let as_json = send(host.http.post(&url).header("content-type", "application/json").body(body)).await;
    assert_eq!((as_json.status, &as_json.json()["error"]), (400, &json!("invalid_request")));
    assert!(as_json.text.contains("not JSON"), "{}", as_json.text);
    let large = host.http.post(&url).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(send(large.body("a".repeat(70_000))).await.json()["error"], "invalid_request");
    let got = send(host.http.get(&url)).await;
    assert_eq!((got.status, got.header("allow")), (405, "POST"));
    let metrics = send(host.http.get(format!("{}/metrics", host.base))).await.text;
    assert!(metrics.contains("provisor_oauth_requests_total{outcome=\"refused\"} "), "{metrics}");
}

#[tokio::test]
async fn who_has_the_right_secret_gets_through_a_flood() {
    let scratch = Scratch::new("credentials-flood");
    let host = Host::start(&scratch).await;
    let (id, secret) = host.client().await;
    let mut told = host.token(&id, "prvs1_guess").await;
    assert_eq!(told.status, 401);
    for _ in 0..2_000 {
        told = host.token(&id, "prvs1_guess").await;
        if told.status == 429 {
            break;
        }
    }
    assert_eq!(told.status, 429, "{}", told.text);
    assert!(told.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(told.json()["error"], "temporarily_unavailable");
    assert_eq!(host.token(&id, &secret).await.status, 200);
}

#[tokio::test]
async fn two_secrets_make_a_rotation_and_a_third_is_too_many() {
    let scratch = Scratch::new("credentials-rotation");
    let host = Host::start(&scratch).await;
    let (id, first) = host.client().await;
    let secrets = format!("/clients/{id}/secrets");
    host.later(300 * DAY);
    let added = host.api("POST", &secrets, json!({"days": 1_095})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let second = added.json()["clientSecret"].as_str().unwrap().to_owned();
    let third = host.api("POST", &secrets, json!({})).await;
    assert_eq!(third.status, 409, "{}", third.text);
    assert!(third.text.contains("revoke one first"), "{}", third.text);
    let (old, new) = (access(&host.token(&id, &first).await), access(&host.token(&id, &second).await));
    assert_eq!((host.scim("acme", &old).await.status, host.scim("acme", &new).await.status), (200, 200));
    let shown = host.api("GET", &format!("/clients/{id}"), Value::Null).await;
    assert!(!shown.text.contains("hash") && !shown.text.contains(&second), "{}", shown.text);
    let shown = shown.json();
    assert_eq!(shown["secrets"][0]["daysLeft"], 65);
    assert_eq!(shown["secrets"][1]["lastUsed"], json!(host.clock.now()));
    let first_id = shown["secrets"][0]["id"].as_str().unwrap();
    assert_eq!(host.api("DELETE", &format!("{secrets}/nothing"), Value::Null).await.status, 404);
    assert_eq!(host.api("DELETE", &format!("{secrets}/{first_id}"), Value::Null).await.status, 204);
    assert_eq!((host.scim("acme", &old).await.status, host.scim("acme", &new).await.status), (401, 200));
    let gone = host.token(&id, &first).await;
    assert!(gone.status == 401 && gone.text.contains("revoked"), "{}", gone.text);
    assert_eq!(host.api("POST", &secrets, json!({})).await.status, 201, "a revoked secret makes room");

    let last = access(&host.token(&id, &second).await);
    host.later(1_095 * DAY);
    let over = host.token(&id, &second).await;
    assert!(over.status == 401 && over.text.contains("expired"), "{}", over.text);
    assert_eq!(host.scim("acme", &last).await.status, 401);
    assert_eq!(host.api("POST", &secrets, json!({})).await.status, 201, "an ended secret makes room");
}

#[tokio::test]
async fn a_revoked_client_s_tokens_end_at_once_and_a_restart_ends_none() {
    let scratch = Scratch::new("credentials-restart");
    let host = Host::start(&scratch).await;
    let ((id, secret), (other, other_secret)) = (host.client().await, host.client().await);
    let (token, other_token) =
        (access(&host.token(&id, &secret).await), access(&host.token(&other, &other_secret).await));
    assert_eq!(host.api("DELETE", &format!("/clients/{id}"), Value::Null).await.status, 204);
    assert_eq!((host.scim("acme", &token).await.status, host.scim("acme", &other_token).await.status), (401, 200));
    assert!(host.token(&id, &secret).await.text.contains("revoked"));
    assert_eq!(host.api("POST", &format!("/clients/{id}/secrets"), json!({})).await.status, 422);
    let (now, used) = (host.clock.now(), host.registry.client(&other).unwrap().secrets[0].id.clone());
    host.registry.write_usage().await.unwrap();
    host.stop().await;
    let host = Host::start_at(&scratch, now + 1).await;
    assert_eq!((host.scim("acme", &token).await.status, host.scim("acme", &other_token).await.status), (401, 200));
    assert!(host.registry.last_used(&used).unwrap() >= now, "a use is remembered over a restart");
}

#[tokio::test]
async fn what_a_client_cannot_be() {
    let scratch = Scratch::new("credentials-limits");
    let host = Host::start(&scratch).await;
    for (body, status, part) in [
        (json!({"label": "x", "source": "nowhere"}), 404, "nowhere"),
        (json!({"label": "", "source": "acme"}), 422, "label"),
        (json!({"label": "x", "source": "acme", "minutes": 59}), 422, "60 to 360"),
        (json!({"label": "x", "source": "acme", "minutes": 361}), 422, "60 to 360"),
        (json!({"label": "x", "source": "acme", "days": 0}), 422, "1 to 1095"),
        (json!({"label": "x", "source": "acme", "days": 1_096}), 422, "1 to 1095"),
        (json!({"label": "x", "source": "acme", "dayz": 1}), 422, "dayz"),
    ] {
        let reply = host.api("POST", "/clients", body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        assert!(reply.text.contains(part), "{body}: {}", reply.text);
    }
    let (id, _) = host.client().await;
    let good = json!({"issuer": "i", "subject": "s", "audience": "a"});
    for (name, value, part) in [
        ("issuer", json!(""), "issuer"),
        ("subject", json!("x".repeat(2_000)), "subject"),
        ("audience", json!(" a"), "audience"),
        ("jwksUri", json!("http://issuer.example/keys"), "https://"),
        ("jwksUri", json!("nonsense"), "no URL"),
        ("jwks", json!({"keys": []}), "no RSA or P-256"),
        ("jwks", json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "x": "y".repeat(300_000)}]}), "bytes"),
        ("more", json!(1), "more"),
        ("issuer", json!("i"), "one of `jwksUri` and `jwks`"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let reply = host.api("PUT", &format!("/clients/{id}/federation"), body).await;
        assert!(reply.status == 422 && reply.text.contains(part), "{name}: {} {}", reply.status, reply.text);
    }
    assert_eq!(host.api("DELETE", &format!("/clients/{id}/federation"), Value::Null).await.status, 404);
    assert_eq!(host.api("DELETE", "/clients/nobody", Value::Null).await.status, 404);
    assert_eq!(host.api("GET", "/clients/nobody", Value::Null).await.status, 404);
    for _ in 1..50 {
        host.client().await;
    }
    let more = host.api("POST", "/clients", json!({"label": "x", "source": "acme"})).await;
    assert!(more.status == 422 && more.text.contains("50 clients"), "{}", more.text);
    let without = send(host.http.get(format!("{}/api/v1/clients", host.base))).await;
    assert_eq!(without.status, 401);
}

/// Who signs assertions in these tests.
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let text = std::fs::read_to_string(root().join("tests/keys/rsa-for-tests-only.txt")).unwrap();
        let base64: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let rsa = RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap();
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap();
        Self { rsa, ec, random }
    }

    /// A JWK Set: the RSA key as `r`, the elliptic one as `e`, with others around that are no use.
    fn keys(&self) -> Value {
        let public = signature::RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "oct", "kid": "shared", "k": "AAAA"},
            {"kty": "RSA", "kid": "r", "use": "sig", "x5c": ["…"],
                "n": encode(&public.n),
                "e": encode(&public.e)},
            {"kty": "EC", "kid": "e", "crv": "P-256", "alg": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
        ]})
    }

    fn sign(&self, algorithm: &str, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({"typ": "JWT", "alg": algorithm});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let mut bytes = vec![0; self.rsa.public().modulus_len()];
        let with_rsa = |padding: &'static dyn signature::RsaEncoding, bytes: &mut [u8]| {
            self.rsa.sign(padding, &self.random, signed.as_bytes(), bytes).unwrap();
        };
        match algorithm {
            "RS256" => with_rsa(&signature::RSA_PKCS1_SHA256, &mut bytes),
            "PS256" => with_rsa(&signature::RSA_PSS_SHA256, &mut bytes),
            "ES256" => bytes = self.ec.sign(&self.random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            // A shared secret that everybody has: the public key.
            "HS256" => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.ec.public_key().as_ref());
                bytes = ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec();
            }
            _ => bytes.clear(),
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

fn claims(host: &Host) -> Value {
    let now = host.clock.now() / 1_000;
    json!({"iss": "https://issuer.example/v2.0", "sub": "5f2c", "aud": "api://provisor", "iat": now, "nbf": now, "exp": now + 3_600})
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// A client without a secret, for whom the issuer's assertions stand.
async fn federated(host: &Host, keys: (&str, Value)) -> String {
    let made = host.api("POST", "/clients", json!({"label": "wif", "source": "acme", "secret": false})).await.json();
    assert!(made.get("clientSecret").is_none() && made["secrets"] == json!([]), "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    federate(host, &id, keys).await;
    id
}

async fn federate(host: &Host, id: &str, (name, value): (&str, Value)) {
    let mut body =
        json!({"issuer": "https://issuer.example/v2.0", "subject": "5f2c", "audience": "api://provisor/.default"});
    body[name] = value;
    let set = host.api("PUT", &format!("/clients/{id}/federation"), body).await;
    assert_eq!(set.status, 200, "{}", set.text);
}

#[tokio::test]
async fn an_issuer_s_assertions_stand_for_a_client() {
    let scratch = Scratch::new("credentials-federation");
    let host = Host::start(&scratch).await;
    let issuer = Issuer::new();
    let id = federated(&host, ("jwks", issuer.keys())).await;
    let claims = claims(&host);
    let now = host.clock.now() / 1_000;
    for (algorithm, kid) in [("RS256", "r"), ("PS256", "r"), ("ES256", "e")] {
        let token = access(&host.assert_for(Some(&id), &issuer.sign(algorithm, Some(kid), &claims)).await);
        assert_eq!(host.scim("acme", &token).await.status, 200, "{algorithm}");
        assert_eq!(host.scim("other", &token).await.status, 401, "{algorithm}");
    }
    for (name, good) in [
        ("without client_id", claims.clone()),
        ("aud as a list", with(&claims, "aud", json!(["x", "api://provisor"]))),
        ("aud as the portal shows it", with(&claims, "aud", json!("api://provisor/.default"))),
        ("ended within the grace", with(&claims, "exp", json!(now - 299))),
        ("to begin within the grace", with(&claims, "nbf", json!(now + 299))),
        ("without nbf", with(&claims, "nbf", Value::Null)),
    ] {
        let named = (name != "without client_id").then_some(id.as_str());
        access(&host.assert_for(named, &issuer.sign("ES256", Some("e"), &good)).await);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let stranger = Issuer::new();
    let whole = issuer.sign("ES256", Some("e"), &claims);
    let (front, signature) = whole.rsplit_once('.').unwrap();
    let tampered = format!("{front}A.{signature}");
    let generic = "not the one configured";
    for (name, assertion, part) in [
        ("another's key", stranger.sign("ES256", Some("e"), &claims), generic),
        ("unknown kid", issuer.sign("ES256", Some("x"), &claims), generic),
        ("another kid", issuer.sign("ES256", Some("r"), &claims), generic),
        ("iss", issuer.sign("ES256", Some("e"), &with(&claims, "iss", json!("https://issuer.example/v2.0/"))), generic),
        ("sub", issuer.sign("ES256", Some("e"), &with(&claims, "sub", json!("5F2C"))), generic),
        ("aud", issuer.sign("ES256", Some("e"), &with(&claims, "aud", json!("api://provisor2"))), "`aud`"),
        ("no aud of a list", issuer.sign("ES256", Some("e"), &with(&claims, "aud", json!([]))), "`aud`"),
        ("exp", issuer.sign("ES256", Some("e"), &with(&claims, "exp", json!(now - 300))), "`exp`"),
        ("nbf", issuer.sign("ES256", Some("e"), &with(&claims, "nbf", json!(now + 301))), "`nbf`"),
        ("no exp", issuer.sign("ES256", Some("e"), &with(&claims, "exp", Value::Null)), "`exp`"),
        ("none", issuer.sign("none", Some("e"), &claims), "`alg`"),
        ("HS256", issuer.sign("HS256", Some("e"), &claims), "`alg`"),
        ("RS512", issuer.sign("RS512", Some("r"), &claims), "`alg`"),
        ("no signature", front.to_owned(), "assertion"),
        ("tampered", tampered, "assertion"),
        ("nonsense", "nonsense".to_owned(), "signature"),
    ] {
        let reply = host.assert_for(Some(&id), &assertion).await;
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_client")), "{name}: {}", reply.text);
        assert!(reply.text.contains(part), "{name}: {}", reply.text);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let nobody = host.assert_for(Some("prvc1_x"), &whole).await;
    let wrong = host.assert_for(Some(&id), &stranger.sign("ES256", Some("e"), &claims)).await;
    assert_eq!((nobody.status, nobody.text), (401, wrong.text), "whether a client exists is not told");
    let token = access(&host.assert_for(Some(&id), &whole).await);
    federate(&host, &id, ("jwks", stranger.keys())).await;
    assert_eq!(host.scim("acme", &token).await.status, 401, "what other keys opened is closed");
    assert_eq!(host.assert_for(Some(&id), &whole).await.status, 401);
    assert_eq!(host.api("DELETE", &format!("/clients/{id}/federation"), Value::Null).await.status, 204);
    assert_eq!(host.assert_for(Some(&id), &stranger.sign("ES256", Some("e"), &claims)).await.status, 401);
}

/// Where an issuer's keys are: what it answers, and how often it was asked.
struct Keys {
    url: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Keys {
    async fn serve(answer: &Value) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, answer.to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (held, counter) = (Arc::clone(&answer), Arc::clone(&asked));
        let handle = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let (status, body) = held.lock().unwrap().clone();
            async move { (status, [("location", "/keys")], body) }
        };
        let router = axum::Router::new().route("/keys", axum::routing::get(handle));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, answer, asked }
    }

    fn set(&self, status: StatusCode, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn keys_are_fetched_when_they_must_be_and_not_oftener() {
    let scratch = Scratch::new("credentials-jwks");
    let host = Host::start(&scratch).await;
    let issuer = Issuer::new();
    let mut both = issuer.keys();
    let both_text = both.to_string();
    both["keys"].as_array_mut().unwrap().pop();
    let keys = Keys::serve(&both).await;
    let id = federated(&host, ("jwksUri", json!(keys.url))).await;
    let ask = async |algorithm: &str, kid: &str| {
        let claims = with(&claims(&host), "jti", json!(kid));
        host.assert_for(Some(&id), &issuer.sign(algorithm, Some(kid), &claims)).await.status
    };
    let strange = with(&claims(&host), "sub", json!("somebody else"));
    host.assert_for(Some(&id), &issuer.sign("RS256", Some("r"), &strange)).await;
    assert_eq!(keys.asked(), 0, "nobody makes us ask by an assertion of no concern");
    assert_eq!((ask("RS256", "r").await, ask("RS256", "r").await, keys.asked()), (200, 200, 1));
    assert_eq!((ask("ES256", "e").await, keys.asked()), (401, 1), "asked less than a minute ago");
    keys.set(StatusCode::OK, both_text.clone());
    host.later(MINUTE);
    assert_eq!((ask("ES256", "e").await, keys.asked()), (200, 2), "a new key is found");
    host.later(MINUTE);
    assert_eq!((ask("RS256", "x").await, ask("RS256", "x").await, keys.asked()), (401, 401, 3));
    // The issuer is down: known keys are good on, others are a matter of waiting.
    keys.set(StatusCode::INTERNAL_SERVER_ERROR, String::new());
    host.later(25 * 60 * MINUTE);
    assert_eq!((ask("RS256", "r").await, keys.asked()), (200, 4));
    host.later(MINUTE);
    let later = issuer.sign("RS256", Some("y"), &claims(&host));
    let later = host.assert_for(Some(&id), &later).await;
    assert_eq!((later.status, later.header("retry-after")), (503, "60"), "{}", later.text);
    assert!(!later.text.contains("127.0.0.1"), "{}", later.text);
    // Whatever else it answers are no keys.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for (status, body) in [
        (StatusCode::OK, "nonsense".to_owned()),
        (StatusCode::OK, "{\"keys\": []}".to_owned()),
        (StatusCode::OK, format!("{both_text}{}", " ".repeat(300_000))),
        (StatusCode::FOUND, both_text.clone()),
    ] {
        let other = Keys::serve(&json!(null)).await;
        other.set(status, body);
        federate(&host, &id, ("jwksUri", json!(other.url))).await;
        assert_eq!((ask("RS256", "r").await, ask("RS256", "r").await, other.asked()), (503, 503, 1), "{status}");
        host.later(MINUTE);
        other.set(StatusCode::OK, both_text.clone());
        assert_eq!((ask("RS256", "r").await, other.asked()), (200, 2));
    }
    // Nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    federate(&host, &id, ("jwksUri", json!(format!("http://127.0.0.1:{port}/")))).await;
    assert_eq!(ask("RS256", "r").await, 503);
}

#[tokio::test]
async fn who_ends_soon_is_told_of_once() {
    let scratch = Scratch::new("credentials-warnings");
    let host = Host::start(&scratch).await;
    let token = host.api("POST", "/tokens", json!({"label": "entra", "source": "acme"})).await.json();
    host.api("POST", "/tokens", json!({"label": "short", "source": "acme", "days": 5})).await;
    let (id, _) = host.client().await;
    let secret = host.registry.client(&id).unwrap().secrets[0].id.clone();
    let told = async || -> Vec<(String, i64)> {
        let warnings = host.registry.warnings().await.unwrap();
        warnings.into_iter().map(|one| (format!("{} {}", one.kind.name(), one.label), one.days_left)).collect()
    };
    let line = |what: &str, days: i64| vec![(what.to_owned(), days)];
    assert_eq!(told().await, [], "five days of five are no news");
    host.later(4 * DAY);
    assert_eq!((told().await, told().await), (line("token short", 1), vec![]));
    host.later(DAY);
    assert_eq!((told().await, told().await), (line("token short", 0), vec![]), "it has ended");
    host.later(54 * DAY);
    assert_eq!(told().await, []);
    for (days, left) in [(1, 30), (16, 14), (7, 7), (6, 1)] {
        host.later(days * DAY);
        assert_eq!((told().await, told().await), (line("token entra", left), vec![]));
    }
    let metrics = send(host.http.get(format!("{}/metrics", host.base))).await.text;
    for (id, kind, days) in [(token["id"].as_str().unwrap(), "token", 1), (&format!("{id}/{secret}"), "secret", 276)] {
        let line = format!("provisor_token_days_left{{token=\"{id}\",kind=\"{kind}\",source=\"acme\"}} {days}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    host.later(2 * DAY);
    assert_eq!(told().await, line("token entra", -1));
    let now = host.clock.now();
    host.stop().await;
    let host = Host::start_at(&scratch, now + 250 * DAY).await;
    let warnings = host.registry.warnings().await.unwrap();
    let kinds: Vec<&str> = warnings.iter().map(|one| one.kind.name()).collect();
    assert_eq!((kinds, warnings[0].days_left), (vec!["secret"], 24), "a restart repeats nothing");
}

#[tokio::test]
async fn the_server_logs_what_ends_soon_when_it_starts() {
    let scratch = Scratch::new("credentials-log");
    let host = Host::start_at(&scratch, SystemClock.now() - 80 * DAY).await;
    let made = host.api("POST", "/tokens", json!({"label": "entra", "source": "acme"})).await.json();
    host.stop().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_provisor"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", &scratch.path("data")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("expires soon"));
    child.kill().unwrap();
    child.wait().unwrap();
    let line: Value = serde_json::from_str(&line.expect("the server warns")).unwrap();
    assert_eq!(
        (&line["level"], &line["target"], &line["kind"]),
        (&json!("WARN"), &json!("credentials"), &json!("token"))
    );
    assert_eq!((&line["id"], &line["label"], &line["source"]), (&made["id"], &json!("entra"), &json!("acme")));
    assert_eq!(line["days_left"], 9);
}

#[tokio::test]
async fn tokens_say_when_they_were_used_and_when_they_end() {
    let scratch = Scratch::new("credentials-used");
    let host = Host::start(&scratch).await;
    let made = host.api("POST", "/tokens", json!({"label": "entra", "source": "acme"})).await.json();
    let token = made["token"].as_str().unwrap().to_owned();
    assert_eq!((&made["lastUsed"], &made["daysLeft"]), (&Value::Null, &json!(90)));
    host.later(89 * DAY);
    assert_eq!(host.scim("acme", &token).await.status, 200);
    let find = async || {
        let all = host.api("GET", "/tokens", Value::Null).await.json();
        all["tokens"].as_array().unwrap().iter().find(|one| one["label"] == "entra").unwrap().clone()
    };
    let shown = find().await;
    assert_eq!((&shown["lastUsed"], &shown["daysLeft"]), (&json!(host.clock.now()), &json!(1)));
    host.later(DAY);
    assert_eq!(host.scim("acme", &token).await.status, 401, "the ninetieth day is over");
    assert_ne!(find().await["lastUsed"], json!(host.clock.now()), "who is refused has not used it");
}

#[tokio::test]
async fn the_command_line_does_the_same_without_a_server() {
    let scratch = Scratch::new("credentials-cli");
    Host::start(&scratch).await.stop().await;
    let data = scratch.path("data");
    let cli = |arguments: &[&str]| {
        let output = run(&[arguments, &["--data", &data]].concat(), b"");
        (code(&output), format!("{}{}", stdout(&output), stderr(&output)))
    };
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    let (status, made) = cli(&["client", "create", "entra", "--source", "acme", "--minutes", "120", "--days", "30"]);
    assert_eq!(status, 0, "{made}");
    let (id, first) = (field(&made, "client id:"), field(&made, "client secret:"));
    assert_eq!(field(&made, "token URL:"), "/oauth/acme/token");
    let (status, second) = cli(&["client", "secret", &id]);
    assert!(status == 0 && second.starts_with("prvs1_"), "{second}");
    let (status, told) = cli(&["client", "secret", &id]);
    assert!(status == 2 && told.contains("revoke one first"), "{told}");
    let (_, listed) = cli(&["client", "list"]);
    assert!(
        listed.contains("120 minutes") && listed.contains("29 days left") && listed.contains("never used"),
        "{listed}"
    );
    assert!(!listed.contains(second.trim()) && !listed.contains(&first), "{listed}");
    let first_id = first.split('_').nth(1).unwrap();
    assert_eq!(cli(&["client", "secret-revoke", &id, first_id]).0, 0);
    let keys = scratch.write("keys.json", Issuer::new().keys().to_string());
    let claims = ["--issuer", "i", "--subject", "s", "--audience", "a"];
    let (status, told) = cli(&[&["client", "federate", &id, "--jwks", &keys], &claims[..]].concat());
    assert_eq!(status, 0, "{told}");
    let (status, told) = cli(&[&["client", "federate", &id, "--jwks-uri", "http://x.example/"], &claims[..]].concat());
    assert!(status == 2 && told.contains("https://"), "{told}");
    let (status, made) = cli(&["client", "create", "wif", "--source", "acme", "--no-secret"]);
    assert!(status == 0 && !made.contains("secret"), "{made}");
    assert_eq!(cli(&["client", "revoke", &field(&made, "client id:")]).0, 0);
    for (arguments, part) in [
        (&["client", "create", "x", "--source", "nowhere"][..], "nowhere"),
        (&["client", "create", "x", "--source", "acme", "--minutes", "10"], "60 to 360"),
        (&["client", "create", "x", "--source", "acme", "--days", "2000"], "1 to 1095"),
        (&["client", "revoke", "nobody"], "nobody"),
        (&["client", "federate", &id, "--issuer", "i", "--subject", "s", "--audience", "a"], "--jwks-uri"),
    ] {
        let (status, told) = cli(arguments);
        assert!(status == 2 && told.contains(part), "{arguments:?}: {told}");
    }
    let host = Host::start(&scratch).await;
    let token = access(&host.token(&id, second.trim()).await);
    assert_eq!(host.scim("acme", &token).await.status, 200);
    assert!(host.token(&id, &first).await.text.contains("revoked"));
    host.registry.write_usage().await.unwrap();
    host.stop().await;
    let (_, listed) = cli(&["client", "list"]);
    assert!(listed.contains(", used 20") && listed.contains("federated") && listed.contains("revoked"), "{listed}");
    assert_eq!(cli(&["client", "unfederate", &id]).0, 0);
    let (_, tokens) = cli(&["token", "list"]);
    assert!(tokens.contains("never expires") && tokens.contains("never used"), "{tokens}");
}
