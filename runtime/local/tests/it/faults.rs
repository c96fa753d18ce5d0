//! Each fault of the local servers does what its description says, and what follows is as before.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use otas_local::{Fault, Server};

use crate::support::{exchange, list, log, open, request, token};

const SHORT: Duration = Duration::from_millis(80);

async fn server() -> Server {
    Server::start().await.expect("a local OTAS")
}

#[tokio::test]
async fn an_answer_in_place_of_the_true_one_has_no_effect() {
    let otas = server().await;
    for (fault, status, word) in [
        (Fault::Status(503), 503, "injected_fault"),
        (Fault::RetryAfter { status: 429, seconds: 7 }, 429, "injected_fault"),
        (Fault::Refusal(401, "invalid_agent_key"), 401, "invalid_agent_key"),
    ] {
        otas.uasam().fail_next(1, fault.clone());
        let answer = open(&otas, "{}").expect("an answer");
        assert_eq!((answer.status, answer.word().as_str()), (status, word), "{fault:?}");
        let wait = matches!(fault, Fault::RetryAfter { .. }).then_some("7");
        assert_eq!(answer.header("retry-after"), wait);
    }
    assert!(otas.sessions().is_empty());
    assert_eq!(otas.requests().len(), 3);
    assert_eq!(open(&otas, "{}").expect("an answer").status, 200);
}

#[tokio::test]
async fn an_html_page_shows_the_key_and_the_token_in_clear_text() {
    let otas = server().await;
    let token = token(&otas);
    otas.brain().fail_next(1, Fault::Html(502));
    let answer = log(&otas, &token, "").expect("an answer");
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(answer.text().contains(&otas.agent_key()) && answer.text().contains(&token));
    assert_eq!(otas.event_count(), 0);
}

#[tokio::test]
async fn a_reset_comes_before_the_effect_or_after_it() {
    let otas = server().await;
    let token = token(&otas);
    for (fault, stored) in [(Fault::Reset, 0), (Fault::ResetAfterEffect, 1)] {
        otas.brain().fail_next(1, fault);
        let error = log(&otas, &token, "").expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(otas.event_count(), stored);
    }
}

#[tokio::test]
async fn a_stall_ends_without_an_answer_and_without_effect() {
    let otas = server().await;
    let started = Instant::now();
    otas.uasam().fail_next(1, Fault::Stall(SHORT));
    let key = otas.agent_key();
    let headers = [("X-OTAS-AGENT-KEY", key.as_str())];
    let bytes = request("POST", "/api/agent/v1/session/create/", &headers, Some(b"{}"));
    assert_eq!(exchange(otas.uasam().addr(), &bytes).expect("an orderly end"), b"");
    assert!(started.elapsed() >= SHORT);
    assert!(otas.sessions().is_empty());
}

#[tokio::test]
async fn a_late_answer_and_a_dripping_one_are_the_true_ones() {
    let otas = server().await;
    for fault in [Fault::Late(SHORT), Fault::Drip(Duration::from_millis(1))] {
        let started = Instant::now();
        otas.uasam().fail_next(1, fault.clone());
        assert_eq!(open(&otas, "{}").expect("an answer").word(), "agent_session_created");
        assert!(started.elapsed() >= SHORT, "{fault:?}");
    }
    assert_eq!(otas.sessions().len(), 2);
}

#[tokio::test]
async fn a_half_answer_promises_more_than_it_sends() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::Truncated);
    let answer = open(&otas, "{}").expect("half an answer");
    let promised: usize = answer.header("content-length").and_then(|length| length.parse().ok()).expect("a length");
    assert!(!answer.body.is_empty() && answer.body.len() < promised);
    assert_eq!(otas.sessions().len(), 1);
}

#[tokio::test]
async fn a_huge_answer_is_as_large_as_asked_for() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::Huge(3_000_000));
    let answer = open(&otas, "{}").expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 3_000_000));
    assert!(otas.sessions().is_empty());
}

#[tokio::test]
async fn a_redirect_names_the_url() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::Redirect("http://elsewhere.example/".to_owned()));
    let answer = open(&otas, "{}").expect("an answer");
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://elsewhere.example/")));
}

#[tokio::test]
async fn a_bad_token_is_rubbish_between_two_dots() {
    let otas = server().await;
    otas.uasam().fail_next(1, Fault::BadToken);
    let bad = token(&otas);
    assert_eq!(bad.matches('.').count(), 2);
    assert_eq!(otas.session_of(&bad), None);
    assert_eq!(otas.sessions().len(), 1);
}

#[tokio::test]
async fn bytes_that_are_no_http_are_possible_too() {
    let otas = server().await;
    otas.brain().fail_next(1, Fault::NotHttp);
    let bytes = exchange(otas.brain().addr(), &request("GET", "/", &[], None)).expect("some bytes");
    assert!(!bytes.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_share_of_the_requests_fails_until_it_is_healed() {
    let otas = server().await;
    otas.uasam().fail_randomly(0.3, Fault::Status(503), 7);
    let refused = (0..200).filter(|_| open(&otas, "{}").expect("an answer").status == 503).count();
    assert!((30..90).contains(&refused), "{refused}");
    otas.uasam().clear_faults();
    assert!((0..20).all(|_| open(&otas, "{}").expect("an answer").status == 200));
}

#[tokio::test]
async fn a_server_that_is_down_refuses_connections_and_comes_back_on_the_same_port() {
    let otas = server().await;
    let addr = otas.uasam().addr();
    let held = std::net::TcpStream::connect(addr).expect("a connection");
    for _ in 0..3 {
        otas.uasam().stop().expect("the port is kept");
        assert!(otas.uasam().is_stopped());
        assert_eq!(open(&otas, "{}").expect_err("refused").kind(), ErrorKind::ConnectionRefused);
        otas.uasam().restart().expect("the port is open");
        assert_eq!(otas.uasam().addr(), addr);
        assert_eq!(open(&otas, "{}").expect("an answer").status, 200);
    }
    let mut byte = [0];
    held.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    assert!(matches!(std::io::Read::read(&mut &held, &mut byte), Ok(0) | Err(_)), "old connections have ended");
    assert_eq!(otas.sessions().len(), 3);
}

#[tokio::test]
async fn brain_takes_uasams_absence_for_a_refusal() {
    let otas = server().await;
    let token = token(&otas);
    otas.uasam().stop().expect("the port is kept");
    let answer = log(&otas, &token, "").expect("an answer");
    assert_eq!((answer.status, answer.word().as_str()), (401, "invalid_or_expired_agent_key"));
    let session = otas.session_of(&token).expect("a session");
    let answer = list(&otas, &format!("session_id={session}")).expect("an answer");
    assert_eq!((answer.status, answer.word().as_str()), (503, "auth_service_error"));
    otas.uasam().restart().expect("the port is open");
    assert_eq!(log(&otas, &token, "").expect("an answer").status, 201);
}

#[tokio::test]
async fn a_token_outlives_the_key_that_opened_it() {
    let otas = server().await;
    let token = token(&otas);
    otas.revoke_key();
    assert_eq!(open(&otas, "{}").expect("an answer").word(), "invalid_agent_key");
    assert_eq!(log(&otas, &token, "").expect("an answer").word(), "invalid_or_expired_agent_key");
    let key = otas.rotate_key();
    assert_eq!(key, otas.agent_key());
    assert_eq!(log(&otas, &token, "").expect("an answer").status, 201);
}

#[tokio::test]
async fn a_token_from_a_clock_that_runs_ahead_is_refused() {
    let otas = server().await;
    otas.uasam().advance_clock(Duration::from_secs(60));
    let token = token(&otas);
    assert_eq!(log(&otas, &token, "").expect("an answer").word(), "invalid_or_expired_token");
    otas.brain().advance_clock(Duration::from_secs(60));
    assert_eq!(log(&otas, &token, "").expect("an answer").status, 201);
}
