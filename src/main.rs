//! The binary: hands its arguments to the room `cli`.

fn main() {}
