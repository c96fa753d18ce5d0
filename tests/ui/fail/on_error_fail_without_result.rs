use otas::otas_session;

struct MyError;

#[otas_session(on_error = fail)]
async fn f() -> u8 {
    1
}

#[otas_session(on_error = fail)]
async fn g() -> Result<u8, MyError> {
    Ok(1)
}

#[otas_session(on_error = fail)]
async fn h() {}

#[otas_session(on_error = fail)]
async fn i() -> Option<impl Iterator<Item = u8>> {
    Some(0..2)
}

#[otas_session(on_error = fail)]
async fn j() -> impl Iterator<Item = u8> {
    0..2
}

fn main() {}
