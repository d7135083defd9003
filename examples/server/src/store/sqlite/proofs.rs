//! See [`Proofs`].

use countersign::{Subject, Swap, Write, address_proof::AddressProof};

use super::{
    super::{
        Later,
        proofs::{FORGET, LOAD, Proofs, add, old, replace},
    },
    NOW_MS, Sqlite,
};
use crate::locale::Locale;

impl Proofs for Sqlite {
    fn load_proof<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<AddressProof>> {
        Box::pin(async move {
            let query = sqlx::query_scalar(LOAD).bind(subject.as_str());
            let record: Option<String> = query.fetch_optional(&self.readers).await?;
            record.map(|record| self.form.read(&record)).transpose()
        })
    }

    fn swap_proof<'a>(&'a self, write: Write<AddressProof>, locale: Option<&'a Locale>) -> Later<'a, Swap> {
        Box::pin(async move {
            let subject = write.record.subject().as_str();
            let (revision, record) = (write.revision().as_i64(), self.form.write(&write.record)?);
            let sql = write.expected.map_or_else(|| add(NOW_MS), |_| replace(NOW_MS));
            let query = sqlx::query(&sql).bind(subject).bind(revision).bind(record);
            let query = match write.expected {
                Some(expected) => query.bind(expected.as_i64()),
                None => query,
            };
            self.swap_row(query, subject, &write.outbox, locale).await
        })
    }

    fn old_proofs(&self, most: u16) -> Later<'_, Vec<AddressProof>> {
        Box::pin(async move {
            let sql = old(NOW_MS);
            let query = sqlx::query_scalar(&sql).bind(i64::from(most));
            let records: Vec<String> = query.fetch_all(&self.readers).await?;
            records.iter().map(|record| self.form.read(record)).collect()
        })
    }

    fn forget_proof<'a>(&'a self, proof: &'a AddressProof) -> Later<'a, ()> {
        Box::pin(async move {
            let query = sqlx::query(FORGET).bind(proof.subject().as_str()).bind(proof.revision().as_i64());
            query.execute(&self.writer).await?;
            Ok(())
        })
    }
}
