use countersign::BindingCode;

fn forge(code: BindingCode) -> BindingCode {
    BindingCode { length: 6, ..code }
}

fn main() {
    let _ = forge;
}
