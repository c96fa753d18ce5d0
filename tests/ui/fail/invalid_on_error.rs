use otas::otas_session;

fn wrong(_: u8) -> u8 {
    1
}

fn other(_: otas::Error) -> String {
    String::new()
}

#[otas_session(on_error = wrong)]
async fn f() -> u8 {
    1
}

#[otas_session(on_error = other)]
async fn g() -> u8 {
    1
}

#[otas_session(on_error = |error| error.to_string())]
async fn h() -> u8 {
    1
}

#[otas_session(on_error = || 1)]
async fn i() -> u8 {
    1
}

#[otas_session(on_error = 5)]
async fn j() -> u8 {
    1
}

#[otas_session(on_error = "fail")]
async fn k() -> u8 {
    1
}

#[otas_session(on_error = contineu)]
async fn l() -> u8 {
    1
}

fn main() {}
