use otas::otas_session;

#[otas_session(meta = { "bytes": text.into_bytes() })]
async fn f(text: String) -> String {
    text
}

fn main() {}
