use countersign::{Revision, Subject, record::Record};

struct Mine(Subject);

impl Record for Mine {
    fn absent(subject: &Subject) -> Self {
        Self(subject.clone())
    }

    fn subject(&self) -> &Subject {
        &self.0
    }

    fn revision(&self) -> Revision {
        unimplemented!()
    }
}

fn main() {}
