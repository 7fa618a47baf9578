//! `page` and `limit`: a part of a list at a time.

use serde::Serialize;

use super::query::{BadParameter, Query};

/// Items of a page, where the request does not say.
const LIMIT_DEFAULT: usize = 10;
/// Items of a page, at most.
const LIMIT_MAX: usize = 100;
/// The last page that can be asked for, so that no count of items is beyond what JSON readers take exactly.
const PAGE_MAX: usize = 1 << 40;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1.
    pub(super) number: usize,
    /// Items of it.
    pub(super) limit: usize,
}

/// What a list says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Pagination {
    total: usize,
    page: usize,
    pages: usize,
    per_page: usize,
}

impl Page {
    /// As the query names it.
    pub(super) fn of(query: Query<'_>) -> Result<Self, BadParameter> {
        let number = query.number("page", "a whole number of at least 1, once", 1..=PAGE_MAX)?.unwrap_or(1);
        Ok(Self { number, limit: limit_of(query)? })
    }

    /// How many items come before it.
    pub(super) const fn skip(self) -> usize {
        (self.number - 1).saturating_mul(self.limit)
    }

    /// What the list says, where there are so many items in all.
    pub(super) const fn of_total(self, total: usize) -> Pagination {
        Pagination { total, page: self.number, pages: total.div_ceil(self.limit), per_page: self.limit }
    }
}

/// `limit`: the most items of an answer.
pub(super) fn limit_of(query: Query<'_>) -> Result<usize, BadParameter> {
    let limit = query.number("limit", "a whole number from 1 to 100, once", 1..=LIMIT_MAX)?;
    Ok(limit.unwrap_or(LIMIT_DEFAULT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_one() {
        let page = |text| Page::of(Query::new(Some(text)));
        assert_eq!(page(""), Ok(Page { number: 1, limit: 10 }));
        assert_eq!(page("page=3&limit=100").map(Page::skip), Ok(200));
        for bad in ["page=0", "page=-1", "page=x", "page=", "page=1&page=1", "page=99999999999999999999"] {
            assert_eq!(page(bad).unwrap_err().name, "page", "{bad}");
        }
        for bad in ["limit=0", "limit=101", "limit=1.5"] {
            assert_eq!(page(bad).unwrap_err().name, "limit", "{bad}");
        }
        // The reference's example.
        let expected = Pagination { total: 25, page: 1, pages: 3, per_page: 10 };
        assert_eq!(Page { number: 1, limit: 10 }.of_total(25), expected);
    }
}
