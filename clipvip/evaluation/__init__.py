"""Exact ranks, embedding, validation; the evaluate and domain-gap stages."""
