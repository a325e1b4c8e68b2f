2
team