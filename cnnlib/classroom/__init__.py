"""What teachers make of the book: assignments, an answer book, slides, notebooks, marks.

``python -m cnnlib.classroom make book _build/classroom`` makes it all; ``... mark COURSE`` marks
what came in. Exercises come from their sources beside the chapters, slides from the built book.
"""
