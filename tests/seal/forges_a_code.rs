use countersign::BindingCode;

fn forge() -> BindingCode {
    BindingCode { digits: [b'0'; 16], length: 6 }
}

fn main() {
    let _ = forge;
}
