//! actix-web, whose handlers are not `Send`.

use std::rc::Rc;

use actix_web::{App, HttpServer, get, web};
use otas::otas_session;

use crate::support;

#[get("/below/{n}")]
#[otas_session(meta = { "n": *n })]
async fn below(n: web::Path<u8>) -> String {
    let kept = Rc::new(n.into_inner());
    actix_web::rt::task::yield_now().await;
    assert_eq!(*kept, 1);
    support::session_id()
}

#[otas_session]
#[get("/above")]
async fn above() -> impl actix_web::Responder {
    support::session_id()
}

#[test]
fn a_handler_sees_its_session() {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().service(below).service(above)).workers(1);
        let server = server.bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);

        for path in ["/below/1", "/above"] {
            let id = support::get(&format!("{url}{path}")).await;
            assert!(support::was_opened(&id), "{path}: {id:?}");
        }
        handle.stop(false).await;
    });
}
