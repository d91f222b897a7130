"""The recurrent network of one member: sizes, cells, first weights."""
