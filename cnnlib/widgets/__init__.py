"""The book's widgets: each lives in a notebook, on the published page and on paper."""
