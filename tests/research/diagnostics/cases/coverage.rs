//! A body with branches, for the coverage regions.

#[cfg_attr(otas, otas::otas_session(meta = { x, "list": [x, 1] }))]
pub async fn body(x: u8, y: Option<u8>) -> u8 {
    let z = if x > 1 {
        x + 1
    } else {
        2
    };
    async {}.await;
    if let Some(y) = y {
        return y;
    }
    match z {
        1 => 5,
        2 if x == 0 => 6,
        _ => z,
    }
}
