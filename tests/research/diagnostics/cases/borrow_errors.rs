//! Borrow errors in bodies.
#![allow(unused)]

#[cfg_attr(otas, otas::otas_session)]
async fn used_after_move(text: String) -> usize {
    drop(text);
    text.len()
}

#[cfg_attr(otas, otas::otas_session)]
async fn reference_to_a_local() -> &'static str {
    let text = String::new();
    &text
}

#[cfg_attr(otas, otas::otas_session)]
async fn reference_to_an_argument<'a>(text: String, other: &'a str) -> &'a str {
    text.as_str()
}

#[cfg_attr(otas, otas::otas_session)]
async fn two_mutable_borrows(mut text: String) {
    let a = &mut text;
    let b = &mut text;
    a.push('x');
}

#[cfg_attr(otas, otas::otas_session)]
async fn not_mutable(text: String) {
    text.push('x');
}

#[cfg_attr(otas, otas::otas_session)]
async fn assigned_twice(x: u8) {
    let y;
    y = 1;
    y = 2;
}

#[cfg_attr(otas, otas::otas_session)]
async fn out_of_a_reference(text: &String) -> String {
    *text
}

#[cfg_attr(otas, otas::otas_session)]
async fn not_initialised() -> u8 {
    let x: u8;
    x
}

#[cfg_attr(otas, otas::otas_session)]
async fn mutated_while_borrowed(mut list: Vec<u8>) {
    for x in &list {
        list.push(*x);
    }
}

#[cfg_attr(otas, otas::otas_session)]
async fn wrong_lifetime<'a, 'b>(a: &'a str, b: &'b str) -> &'a str {
    if a.is_empty() { b } else { a }
}

struct S {
    text: String,
}

impl S {
    #[cfg_attr(otas, otas::otas_session)]
    async fn moves_a_field(&self) -> String {
        self.text
    }

    #[cfg_attr(otas, otas::otas_session)]
    async fn mutates_through_a_reference(&self) {
        self.text.push('x');
    }

    #[cfg_attr(otas, otas::otas_session)]
    async fn captured_by_a_thread(&self) {
        std::thread::spawn(|| self.text.len());
    }
}
