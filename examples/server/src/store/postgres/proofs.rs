//! See [`Proofs`].

use countersign::{Subject, Swap, Write, address_proof::AddressProof};
use sqlx::Row as _;

use super::{
    super::{
        Later,
        proofs::{FORGET, LOAD, Proofs, add, old, replace},
    },
    NOW_MS, Postgres, bounded,
};
use crate::locale::Locale;

impl Proofs for Postgres {
    fn load_proof<'a>(&'a self, subject: &'a Subject) -> Later<'a, Option<AddressProof>> {
        bounded(async move {
            let query = sqlx::query(LOAD).bind(subject.as_str());
            self.row(query).await?.map(|row| self.form.read(row.try_get("record")?)).transpose()
        })
    }

    fn swap_proof<'a>(&'a self, write: Write<AddressProof>, locale: Option<&'a Locale>) -> Later<'a, Swap> {
        bounded(async move {
            let subject = write.record.subject().as_str();
            let (revision, record) = (write.revision().as_i64(), self.form.write(&write.record)?);
            let sql = write.expected.map_or_else(|| add(NOW_MS), |_| replace(NOW_MS));
            let query = self.statement(&sql).bind(subject).bind(revision).bind(record);
            let query = match write.expected {
                Some(expected) => query.bind(expected.as_i64()),
                None => query,
            };
            self.swap_row(query, subject, &write.outbox, locale).await
        })
    }

    fn old_proofs(&self, most: u16) -> Later<'_, Vec<AddressProof>> {
        bounded(async move {
            let sql = old(NOW_MS);
            let rows = self.rows(sqlx::query(&sql).bind(i64::from(most))).await?;
            rows.iter().map(|row| self.form.read(row.try_get("record")?)).collect()
        })
    }

    fn forget_proof<'a>(&'a self, proof: &'a AddressProof) -> Later<'a, ()> {
        bounded(async move {
            let query = sqlx::query(FORGET).bind(proof.subject().as_str()).bind(proof.revision().as_i64());
            self.execute(query).await?;
            Ok(())
        })
    }
}
