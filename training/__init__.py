"""How do labels become a regressor, and is it better than yesterday, and than the dermatologists?"""
