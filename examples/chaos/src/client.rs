//! One client of Auth0's MFA API: one kept connection, one request at a time.
//!
//! It says what came back and nothing else. A request without an answer is a [`Failure`]: whether it was carried out is
//! then unknown, and only the caller may decide to ask again. This module must never retry by itself.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The client that every server of these scenes knows.
const CLIENT_ID: &str = "demo";
const CLIENT_SECRET: &str = "demo-secret";

pub const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
pub const RECOVERY: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// `null` if it is no JSON.
    pub body: Value,
    /// How many seconds the client is told to wait.
    pub retry_after: Option<u64>,
}

impl Reply {
    pub fn text(&self, name: &str) -> String {
        self.body.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
    }

    pub fn description(&self) -> String {
        self.text("error_description")
    }

    /// Whether the server could not do its work, which says nothing about the request.
    pub fn is_unavailable(&self) -> bool {
        self.status >= 500
    }
}

/// There is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Nobody listens: the request was never sent.
    Connect,
    /// The connection ended under the request.
    Cut,
    /// Nothing came in time.
    Late,
}

pub struct Client {
    target: SocketAddr,
    limit: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of one server, which waits so long for an answer.
    pub const fn new(target: SocketAddr, limit: Duration) -> Self {
        Self { target, limit, connection: None }
    }

    /// Turns to another server.
    pub fn turn_to(&mut self, target: SocketAddr) {
        if self.target != target {
            *self = Self::new(target, self.limit);
        }
    }

    pub async fn get(&mut self, path: &str, bearer: Option<&str>) -> Result<Reply, Failure> {
        self.send(Method::GET, path, bearer, None).await.map(|(reply, _)| reply)
    }

    /// Posts JSON, with the client's credentials unless a bearer token stands for them.
    pub async fn post(&mut self, path: &str, bearer: Option<&str>, body: &Value) -> Result<Reply, Failure> {
        let mut body = body.clone();
        if let (None, Value::Object(fields)) = (bearer, &mut body) {
            fields.insert("client_id".to_owned(), json!(CLIENT_ID));
            fields.insert("client_secret".to_owned(), json!(CLIENT_SECRET));
        }
        self.send(Method::POST, path, bearer, Some(body)).await.map(|(reply, _)| reply)
    }

    /// The content of a page that is no JSON.
    pub async fn page(&mut self, path: &str) -> Result<String, Failure> {
        let (_, content) = self.send(Method::GET, path, None, None).await?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: Option<Value>,
    ) -> Result<(Reply, Bytes), Failure> {
        let limit = self.limit;
        let answer = tokio::time::timeout(limit, self.exchange(method, path, bearer, body)).await;
        let answer = answer.unwrap_or(Err(Failure::Late));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: Option<Value>,
    ) -> Result<(Reply, Bytes), Failure> {
        let mut sender = match self.connection.take() {
            // One that the server has closed meanwhile is no longer any use.
            Some(mut kept) => match kept.ready().await {
                Ok(()) => kept,
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, self.target.to_string());
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body)).map_err(|_| Failure::Connect)?;
        let response = sender.send_request(request).await.map_err(|_| Failure::Cut)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok());
        let retry_after = retry_after.and_then(|wait| wait.parse().ok());
        let content = response.into_body().collect().await.map_err(|_| Failure::Cut)?.to_bytes();
        self.connection = Some(sender);
        let body = serde_json::from_slice(&content).unwrap_or(Value::Null);
        Ok((Reply { status, body, retry_after }, content))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(self.target).await.map_err(|_| Failure::Connect)?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Cut)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
