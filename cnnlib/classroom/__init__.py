"""What teachers make of the book's exercises: assignments, an answer book, marks.

``python -m cnnlib.classroom make book _build/classroom`` makes it all; ``... grade COURSE`` marks
what came in. Everything comes from the exercises' sources beside the chapters.
"""
