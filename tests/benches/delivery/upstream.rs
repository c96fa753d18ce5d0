//! A service outside the project domain that responds with 1 KiB of text.

pub const BODY: [u8; 1024] = [b'x'; 1024];

/// Starts the service, and returns its URL.
pub async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/v1/items?limit=3", listener.local_addr().unwrap().port());
    let respond = || async { ([("content-type", "text/plain")], &BODY[..]) };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(respond)).await.unwrap() });
    url
}
