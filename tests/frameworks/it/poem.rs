//! poem, whose `#[handler]` turns the function into a type.

use otas::otas_session;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::Path;
use poem::{Route, Server, get, handler};

use crate::support;

#[handler]
#[otas_session(meta = { n })]
async fn below(Path(n): Path<u8>) -> String {
    assert_eq!(n, 1);
    support::session_id()
}

#[otas_session]
#[handler]
async fn above() -> String {
    support::session_id()
}

#[tokio::test]
async fn a_handler_sees_its_session() {
    let route = Route::new().at("/below/:n", get(below)).at("/above", get(above));
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
    let address = acceptor.local_addr().remove(0);
    let address = *address.as_socket_addr().expect("an address");
    tokio::spawn(Server::new_with_acceptor(acceptor).run(route));

    for path in ["/below/1", "/above"] {
        let id = support::get(&format!("http://{address}{path}")).await;
        assert!(support::was_opened(&id), "{path}: {id:?}");
    }
}
