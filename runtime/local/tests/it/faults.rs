//! Each fault does what its documentation says, and the requests after it are served as usual.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use otas_local::{Fault, Server};

use crate::support::{exchange, list, log, open, request, token};

const SHORT: Duration = Duration::from_millis(80);

async fn server() -> Server {
    Server::start().await.unwrap()
}

#[tokio::test]
async fn an_injected_response_has_no_effect() {
    let otas = server().await;
    for (fault, status, description) in [
        (Fault::Status(503), 503, "injected_fault"),
        (Fault::RetryAfter { status: 429, seconds: 7 }, 429, "injected_fault"),
        (Fault::Refusal(401, "invalid_agent_key"), 401, "invalid_agent_key"),
    ] {
        otas.uasam().fail_next(1, fault.clone());
        let response = open(&otas, "{}").unwrap();
        assert_eq!((response.status, response.description().as_str()), (status, description), "{fault:?}");
        let wait = matches!(fault, Fault::RetryAfter { .. }).then_some("7");
        assert_eq!(response.header("retry-after"), wait);
    }
    assert!(otas.sessions().is_empty());
    assert_eq!(otas.requests().len(), 3);
    assert_eq!(open(&otas, "{}").unwrap().status, 200);
}

#[tokio::test]
async fn an_html_page_shows_the_key_and_the_token_in_clear_text() {
    let otas = server().await;
    let token = token(&otas);
    otas.brain().fail_next(1, Fault::Html(502));
    let response = log(&otas, &token, "").unwrap();
    assert_eq!((response.status, response.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(response.text().contains(&otas.agent_key()) && response.text().contains(&token));
    assert_eq!(otas.event_count(), 0);
}

#[tokio::test]
async fn a_reset_strikes_before_or_after_the_effect() {
    let otas = server().await;
    let token = token(&otas);
    for (fault, stored) in [(Fault::Reset, 0), (Fault::ResetAfterEffect, 1)] {
        otas.brain().fail_next(1, fault);
        let error = log(&otas, &token, "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(otas.event_count(), stored);
    }
}

#[tokio::test]
async fn a_stall_ends_without_a_response_and_without_effect() {
    let otas = server().await;
    let started = Instant::now();
    otas.uasam().fail_next(1, Fault::Stall(SHORT));
    let key = otas.agent_key();
    let headers = [("X-OTAS-AGENT-KEY", key.as_str())];
    let bytes = request("POST", "/api/agent/v1/session/create/", &headers, Some(b"{}"));
    assert_eq!(exchange(otas.uasam().addr(), &bytes).unwrap(), b"");
    assert!(started.elapsed() >= SHORT);
    assert!(otas.sessions().is_empty());
}

#[tokio::test]
async fn late_and_dripping_responses_are_the_real_ones() {
    let otas = server().await;
    for fault in [Fault::Late(SHORT), Fault::Drip(Duration::from_millis(1))] {
        let started = Instant::now();
        otas.uasam().fail_next(1, fault.clone());
        assert_eq!(open(&otas, "{}").unwrap().description(), "agent_session_created");
        assert!(started.elapsed() >= SHORT, "{fault:?}");
    }
    assert_eq!(otas.sessions().len(), 2);
}

#[tokio::test]
async fn a_truncated_response_announces_more_than_it_sends() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::Truncated);
    let response = open(&otas, "{}").unwrap();
    let promised: usize = response.header("content-length").and_then(|length| length.parse().ok()).unwrap();
    assert!(!response.body.is_empty() && response.body.len() < promised);
    assert_eq!(otas.sessions().len(), 1);
}

#[tokio::test]
async fn a_huge_response_is_as_large_as_requested() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::Huge(3_000_000));
    let response = open(&otas, "{}").unwrap();
    assert_eq!((response.status, response.body.len()), (200, 3_000_000));
    assert!(otas.sessions().is_empty());
}

#[tokio::test]
async fn a_redirect_points_to_the_url() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::Redirect("http://elsewhere.example/".to_owned()));
    let response = open(&otas, "{}").unwrap();
    assert_eq!((response.status, response.header("location")), (307, Some("http://elsewhere.example/")));
}

#[tokio::test]
async fn a_bad_token_is_garbage_between_two_dots() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::BadToken);
    let bad = token(&otas);
    assert_eq!(bad.matches('.').count(), 2);
    assert_eq!(otas.session_of(&bad), None);
    assert_eq!(otas.sessions().len(), 1);
}

#[tokio::test]
async fn a_response_can_be_something_else_than_http() {
    let otas = server().await;
    otas.brain().fail_next(1, Fault::NotHttp);
    let bytes = exchange(otas.brain().addr(), &request("GET", "/", &[], None)).unwrap();
    assert!(!bytes.starts_with(b"HTTP"));
}

#[tokio::test]
async fn requests_fail_randomly_until_the_faults_are_cleared() {
    let otas = server().await;
    otas.uasam().fail_randomly(0.3, Fault::Status(503), 7);
    let refused = (0..200).filter(|_| open(&otas, "{}").unwrap().status == 503).count();
    assert!((30..90).contains(&refused), "{refused}");
    otas.uasam().clear_faults();
    assert!((0..20).all(|_| open(&otas, "{}").unwrap().status == 200));
}

#[tokio::test]
async fn a_stopped_service_refuses_connections_and_restarts_on_its_port() {
    let otas = server().await;
    let addr = otas.uasam().addr();
    let held = std::net::TcpStream::connect(addr).unwrap();
    for _ in 0..3 {
        otas.uasam().stop().unwrap();
        assert!(otas.uasam().is_stopped());
        assert_eq!(open(&otas, "{}").unwrap_err().kind(), ErrorKind::ConnectionRefused);
        otas.uasam().restart().unwrap();
        assert_eq!(otas.uasam().addr(), addr);
        assert_eq!(open(&otas, "{}").unwrap().status, 200);
    }
    let mut byte = [0];
    held.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!(std::io::Read::read(&mut &held, &mut byte), Ok(0) | Err(_)), "existing connections are closed");
    assert_eq!(otas.sessions().len(), 3);
}

#[tokio::test]
async fn brain_takes_the_absence_of_uasam_for_a_rejection() {
    let otas = server().await;
    let token = token(&otas);
    otas.uasam().stop().unwrap();
    let response = log(&otas, &token, "").unwrap();
    assert_eq!((response.status, response.description().as_str()), (401, "invalid_or_expired_agent_key"));
    let session = otas.session_of(&token).unwrap();
    let response = list(&otas, &format!("session_id={session}")).unwrap();
    assert_eq!((response.status, response.description().as_str()), (503, "auth_service_error"));
    otas.uasam().restart().unwrap();
    assert_eq!(log(&otas, &token, "").unwrap().status, 201);
}

#[tokio::test]
async fn a_token_outlives_the_key_it_was_issued_under() {
    let otas = server().await;
    let token = token(&otas);
    otas.revoke_key();
    assert_eq!(open(&otas, "{}").unwrap().description(), "invalid_agent_key");
    assert_eq!(log(&otas, &token, "").unwrap().description(), "invalid_or_expired_agent_key");
    let key = otas.rotate_key();
    assert_eq!(key, otas.agent_key());
    assert_eq!(log(&otas, &token, "").unwrap().status, 201);
}

#[tokio::test]
async fn a_token_from_a_clock_that_runs_ahead_is_rejected() {
    let otas = server().await;
    otas.uasam().advance_clock(Duration::from_secs(60));
    let token = token(&otas);
    assert_eq!(log(&otas, &token, "").unwrap().description(), "invalid_or_expired_token");
    otas.brain().advance_clock(Duration::from_secs(60));
    assert_eq!(log(&otas, &token, "").unwrap().status, 201);
}
