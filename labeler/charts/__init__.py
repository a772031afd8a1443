"""Charts that the server draws: a picture in SVG, a sentence, and the table it is drawn from. [core]

They need no script, print, and obey the content security policy. What one shows stands beside the page that shows it.
"""
