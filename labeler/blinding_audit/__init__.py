"""The adversary: can anything that a reader receives tell golden images from ordinary ones?"""
