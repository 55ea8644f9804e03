"""What a key may consume: requests and tokens a minute, tokens and money a month, and one request's largest answer.

Pure: the time is an argument. What a request will cost is reserved before it is sent to a provider, and settled when
its answer is complete; so no limit is passed by more than what was in flight.
"""
